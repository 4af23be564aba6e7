/** What is wrong with a photo, in one sentence for who shows it. */
export class PhotoError extends Error {}

/** A file that the mirror needs did not come, or cannot be opened. */
export class LoadError extends Error {}

/** A promise whose failure is a LoadError. @template T @param {Promise<T>} promise @returns {Promise<T>} */
export const loaded = (promise) => promise.catch((error) => { throw new LoadError(String(error), { cause: error }); });
