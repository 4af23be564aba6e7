/** What is wrong with a photo, in one sentence for who shows it. */
export class PhotoError extends Error {}
