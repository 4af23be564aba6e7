"""axe-core, and how a page is looked at with it."""

from __future__ import annotations

from tests.web.serving import REPOSITORY

AXE = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
# once every colour has changed to what it is to be
LOOK = """async () => {
    const ends = (each) => each.effect?.getComputedTiming().endTime < 10_000;
    await Promise.allSettled(document.getAnimations().filter(ends).map((each) => each.finished));
    return (await axe.run({rules: {'target-size': {enabled: true}}})).violations.map(
    v => v.id + ': ' + v.nodes.map(n => n.html).join());
}"""
