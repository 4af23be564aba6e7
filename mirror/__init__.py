"""Mirror, mirror on the wall: which label a photo shows, and how sure that is. Importing it switches reporting off."""

from mirror.privacy import report_nothing

report_nothing()
