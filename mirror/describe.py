"""What a model is, told once for its card, the page, the studio and the command line: facts and sentences, no markup.

model = ModelDescription(info)
model.error_sentences    # ("Error 3.1 % (95 % interval 1.2–7.6 %) on 153 photos that it had not learned from.", …)
model.limits             # what it does not know and is not good for
"""

from __future__ import annotations

import shlex

from mirror.errors import reason_in_words
from mirror.metric_sentences import (
    between,
    error_sentence,
    group_sentences,
    is_few,
    judged_by,
    novelty_sentence,
    photos_judged,
    same_labels,
)
from mirror.metrics_schema import Calibration, Estimate
from mirror.model_schema import OLD_PHOTO_LIST, OWN, PHOTO_LIST, DataInfo, ModelInfo
from mirror.preparation import Preparation, PublishedDataset, preparation, published_dataset
from mirror.wording import count, listed, none_of, percent, plain

FEW_OF_A_LABEL = 30
NAMED_LABELS = 12  # beyond these, a sentence names the first 8
NAMED_QUERIES = 12
NAMED_SITES = 10
WORST_PHOTOS = "report/top_losses.png"  # the picture of the report that shows photos themselves
REPORT_PAGE = "report/report.html"  # the report for pupils, with these photos where there is that picture
SHOWING_PHOTOS = (WORST_PHOTOS, REPORT_PAGE)
SOURCES = {
    "search": "found by DuckDuckGo image search",
    "folder": "taken from a folder of photos",
    PHOTO_LIST: "fetched again from another model's list of photos",
}
SOURCES[OLD_PHOTO_LIST] = SOURCES[PHOTO_LIST]
RESIZES = {
    "crop": "the middle of the photo",
    "squish": "the whole photo, squeezed to fit",
    "pad": "the whole photo, with its margins filled",
    "none": "the photo as it is",
}

LabelRow = tuple[str, int | None, int | None, int | None, str | None, str | None]


def shows_photos(info: ModelInfo) -> bool:
    """Whether the model folder holds photos that the model was judged by: whether its report's picture of them is
    among its files."""
    return WORST_PHOTOS in info.files


class ModelDescription:
    """Facts and sentences of one ModelInfo. A sentence of which the model says nothing is left out; properties that
    name `rows` are pairs or rows for a table, None where a value is not recorded."""

    def __init__(self, info: ModelInfo):
        self.info = info
        self.preparation: Preparation = preparation(info.preprocessing.prepare)
        self.published: PublishedDataset | None = published_dataset(info.data.source) if info.data else None
        self.labels = [plain(label) for label in info.labels]
        self.refuses = info.novelty is not None and info.novelty.threshold is not None
        self.judged = info.judged
        self.calibration = info.metrics.calibration if info.metrics else None
        self.shows_photos = shows_photos(info)

    @property
    def named_labels(self) -> str:
        if len(self.labels) <= NAMED_LABELS:
            return listed(self.labels)
        return f"{listed(self.labels[:8])} and {len(self.labels) - 8:,} more"

    @property
    def summary(self) -> str:
        """What it does, and what was done to its network."""
        kind = f"An image classifier ({self.info.arch})" if self.info.arch else "An image classifier"
        ending = ", or with none of them." if self.refuses else "."
        answers = f"{kind} that answers with one of {count(len(self.labels), 'label')}{ending}"
        return f"{answers} {self.training_sentence}".rstrip()

    @property
    def training_sentence(self) -> str:
        """What was done to the network, in plain words; "" where it is not recorded."""
        epochs = self.info.training.epochs if self.info.training else None
        if epochs is None:
            return ""
        if self.published:
            return f"Its network was trained from random weights for {count(epochs, 'epoch')}."
        head = "A new last layer was fitted to its photos"
        if not epochs:
            return f"{head}; the network itself was left as it was."
        return f"{head}, and the last part of the network fine-tuned for {count(epochs, 'epoch')}."

    @property
    def sees(self) -> str:
        """`288×288 pixels, the middle of the photo`."""
        height, width = self.info.preprocessing.input_size
        resize = self.info.preprocessing.resize
        return f"{width}×{height} pixels, {self.preparation.view or RESIZES.get(resize, resize)}"

    @property
    def error_sentences(self) -> tuple[str, ...]:
        """How often it errs, on what, and what few photos cannot say."""
        metrics, judged = self.info.metrics, self.judged
        if metrics is None:
            return ("It has not been judged on photos it was not trained on.",)
        if judged is None:
            return ("No photo was held out, so its error is not known.",)
        sentence = error_sentence(judged)
        sentence = sentence[0].upper() + sentence[1:]
        by = f"{sentence} {judged_by(judged)}."
        if judged.folds:
            by = (
                f"{sentence}, {judged_by(judged)}: each photo was left out once and judged by what had learned from "
                "the others. The model itself has learned from all of them."
            )
        return (by, *group_sentences(judged), *self.small_sample_note)

    @property
    def small_sample_note(self) -> tuple[str, ...]:
        """What must not be read into figures of fewer than FEW photos; () where there are more, or none."""
        if self.judged is None or not is_few(self.judged.photos):
            return ()
        low, high = (f"{100 * end:.0f} %" for end in self.judged.interval)
        text = (
            f"What {count(self.judged.photos, 'photo')} cannot say: an error of {low} and one of {high} both fit what "
            "was seen, so the interval says more than the figure, and two models whose intervals overlap cannot be "
            "told apart by it."
        )
        if not self.judged.errors:
            text += " That none was wrong does not mean that none will be."
        labels = self.info.metrics.labels if self.info.metrics else {}
        fewest = min((one.validation for one in labels.values()), default=0)
        if labels and fewest < FEW_OF_A_LABEL:
            step = f"moves a label's recall by up to {100 / fewest:.0f} points" if fewest else "is all some labels have"
            text += f" One photo more or less {step}: the table of labels is a list of cases, not a measurement."
        return (text,)

    @property
    def calibration_sentences(self) -> tuple[str, ...]:
        """What was done to its probabilities, and how far they can be trusted; () where nothing is known of it."""
        if self.calibration is None:
            return ()
        gap = self.calibration.after.ece
        low, high = (percent(end) for end in gap.interval)
        few = (
            (
                "So few photos say little of it: a calibration error of theirs is mostly chance (it is above 0 for a "
                "perfect model as well).",
            )
            if is_few(self.calibration.photos)
            else ()
        )
        return (
            self._temperature(self.calibration),
            f"Its probabilities are {percent(gap.value)} away, on average, from how often it was right (95 % interval "
            f"{low} to {high}; {self.calibration_photos}).",
            *few,
        )

    def _temperature(self, calibration: Calibration) -> str:
        kind = "left out in turn" if calibration.source == "out-of-fold" else "held out"
        photos, temperature = f"{count(calibration.fitted_on, 'photo')} {kind}", self.info.temperature
        if temperature == 1:
            gain = calibration.gain
            change = ""
            if gain is not None:
                low, high = gain.interval
                lower = between(Estimate(-gain.value, (-high, -low)), signed=True)
                change = f": on photos that it was not fitted to, the negative log-likelihood changes by {lower} nats"
            return (
                f"Its probabilities are as the network gives them. The temperature that fits {photos} best, "
                f"{calibration.found:.2f}, could not be shown to be better than none{change}."
            )
        pickle = " learner.pkl's own probabilities are without it." if self.info.pickle else ""
        return (
            f"Its logits are divided by a temperature of {temperature:.2f}, fitted to {photos}: it makes the model "
            f"{'less' if temperature > 1 else 'more'} sure of everything alike, and changes no answer.{pickle}"
        )

    @property
    def calibration_photos(self) -> str:
        """Those that show how far its probabilities can be trusted; "" where nothing is known of it."""
        metrics = self.info.metrics
        calibration = metrics and metrics.calibration
        return photos_judged(calibration.photos, metrics.validation) if metrics and calibration else ""

    @property
    def calibration_rows(self) -> list[tuple[str, str, str]]:
        if self.calibration is None:
            return []
        before, after = self.calibration.before, self.calibration.after
        return [
            ("negative log-likelihood, nats", between(before.nll), between(after.nll)),
            ("Brier score, 0 to 2", between(before.brier), between(after.brier)),
            ("expected calibration error", between(before.ece), between(after.ece)),
        ]

    @property
    def novelty_sentences(self) -> tuple[str, ...]:
        """When it answers with none of its labels, and how often wrongly; () where it never does."""
        novelty = self.info.novelty
        if novelty is None or novelty.threshold is None:
            return ()
        score = f"the mean cosine with the {novelty.k} nearest of them"
        if novelty.method == "knn-cosine-and-plane":
            score += ", or how far it lies on their side of photos of none of the labels, where that is less"
        elif novelty.others:  # as models of earlier versions
            score += ", less what it is like photos of none"
        return (
            f"A photo unlike those it has learned from (its score, {score}, is below {novelty.threshold:.3f}) is "
            f"answered with “{none_of(self.labels)}”.",
            novelty_sentence(novelty),
        )

    @property
    def photo_sentences(self) -> tuple[str, ...]:
        """Where its photos came from, whose they are, what was done to them, and which files of the model tell and show
        them; () where nothing is known of them."""
        return self._photo_sentences(of_files=True)

    @property
    def origin_sentences(self) -> tuple[str, ...]:
        """`photo_sentences` without those on files of the model."""
        return self._photo_sentences(of_files=False)

    def _photo_sentences(self, of_files: bool) -> tuple[str, ...]:
        data = self.info.data
        if data is None:
            return ()
        if self.published:
            counts = ", ".join(f"{number:,} {plain(label)}" for label, number in data.counts.items())
            sentences = [self.published.photos.format(total=sum(data.counts.values()), counts=counts)]
        else:
            origin = SOURCES.get(data.source)
            sentences = [f"Its photos were {origin}." if origin else f"Source: {data.source}.", *_search_words(data)]
            if of_files and "photos.csv" in self.info.files:
                sentences.append("photos.csv lists each with its origin, its sha256 and its side.")
            sentences.append(f"Licence filter: {data.license_filter or 'none'}.")
            if data.source != "folder" and not data.license_filter:
                sentences.append("So most of them belong to their makers.")
            if of_files:
                showing = [name for name in SHOWING_PHOTOS if name in self.info.files]
                sentences.append(
                    f"{listed(showing)} {'show' if len(showing) > 1 else 'shows'} some of them; no other file of the "
                    "model does."
                    if self.shows_photos
                    else "No file of the model shows any of them."
                )
        if data.retrieved:
            first, last = data.retrieved[0][:10], data.retrieved[-1][:10]
            sentences.append(f"Retrieved on {first}." if first == last else f"Retrieved {first} to {last}.")
        if data.source == "search" and data.engines:
            found = [f"{number:,} {name}" for name, number in data.engines.items() if name != OWN]
            sentences.append(f"By engine: {', '.join(found)}.")
        if added := data.engines.get(OWN):
            sentences.append(f"{count(added, 'photo')} added by hand.")
        if data.sites:
            sites = ", ".join(f"{site} ({number:,})" for site, number in list(data.sites.items())[:NAMED_SITES])
            sentences.append(f"Sites with most: {sites}.")
        if data.relabelled or data.removed:
            sentences.append(f"By hand, {data.relabelled:,} were relabelled and {data.removed:,} removed.")
        return tuple(sentences)

    @property
    def label_rows(self) -> list[LabelRow]:
        """For each label: its name, its photos, those to learn from, those judged by, precision and recall in per
        cent."""
        counts = self.info.data.counts if self.info.data else {}
        metrics = self.info.metrics.labels if self.info.metrics else {}
        rows: list[LabelRow] = []
        for label in self.info.labels:
            if one := metrics.get(label):
                precision, recall = (None if share is None else percent(share) for share in (one.precision, one.recall))
                number = counts.get(label, one.train + one.validation)
                rows.append((plain(label), number, one.train, one.validation, precision, recall))
            else:
                rows.append((plain(label), counts.get(label), None, None, None, None))
        return rows

    @property
    def left_out_rows(self) -> list[tuple[str, int]]:
        """Why photos were left out, and how many, the most frequent first."""
        rejected = self.info.data.rejected if self.info.data else {}
        ranked = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
        return [(reason_in_words(reason), number) for reason, number in ranked]

    @property
    def left_out(self) -> int:
        return sum(number for _, number in self.left_out_rows)

    @property
    def training_rows(self) -> list[tuple[str, str | None]]:
        """How it was made: a name, and what model.json records, None where it does not."""
        info, training = self.info, self.info.training
        seconds = training.seconds if training else None
        rows = [
            ("Network", info.arch),
            ("Sees", self.sees),
            ("Starting weights", training.weights if training else None),
            ("Recipe", training.recipe if training else None),
            ("Epochs", _text(training.epochs if training else None)),
            ("Seed", _text(training.seed if training else None)),
            ("Training time", None if seconds is None else f"{seconds:,.0f} s"),
            ("Made on", info.created_at[:10] if info.created_at else None),
            ("Runs as", f"ONNX, {self.precision}"),
            ("Versions", ", ".join(f"{name} {version}" for name, version in sorted(info.versions.items())) or None),
        ]
        return rows + [("Note", note) for note in (training.notes if training else ())]

    @property
    def precision(self) -> str:
        """`fp32`, or of int8 how far it answers as float32 does, and whose figures those of this model are."""
        info = self.info
        if info.onnx.precision != "int8":
            return info.onnx.precision
        result = info.quantisation and info.quantisation.shipped
        same = f": {same_labels(result)}" if result else ""
        in_float = self.judged and self.judged.folds and info.training and info.training.epochs  # a network each fold
        figures = "what the folds said is in float32" if in_float else "the figures are its own"
        return f"8-bit integers{same}; {figures}"

    @property
    def limits(self) -> tuple[str, ...]:
        """What it does not know, and what it is not good for."""
        other = (
            "What it refuses it refuses by likeness, and it errs both ways."
            if self.refuses
            else "It has no way of noticing that a photo shows something else, and answers with one of them whatever "
            "it is shown."
        )
        return (
            f"It knows only {self.named_labels}. {other}",
            self.preparation.limits,
            "Its probabilities say how sure it is, not how right: they mislead on photos unlike those it learned from.",
            "Where a photo shows people it says which label fits, as for anything else: it detects, and never "
            "identifies anyone.",
            "Decide nothing that matters to a person or an animal by it.",
        )

    @property
    def command(self) -> str | None:
        """The command that trains it again; None where its options are not recorded."""
        info = self.info
        if not info.training or not info.training.options or not info.data:
            return None
        photos = [] if self.published else ["--photos", "photos.csv"] if info.data.sites else ["--data", "DIR"]
        return shlex.join(["python", "train.py", "--name", info.name, *photos, *info.training.options])


def _search_words(data: DataInfo) -> list[str]:
    if not data.queries:
        return []
    words = [f"“{query.query}” for {plain(query.label)}" for query in data.queries[:NAMED_QUERIES]]
    return [f"Searched for: {listed(words)}."]


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)
