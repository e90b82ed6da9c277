"""Reads the steps of a page: its commands with what they are to print, and its pictures with what they are to show."""
import dataclasses
import re

FENCE = re.compile(r"^```console *(.*)$")
PICTURE = re.compile(r"^<!-- picture (\S+) down to (\S+) when (.*) -->$")
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclasses.dataclass
class Command:
    """A command, and the lines it is to print, in this order; others may stand between them."""
    line: int
    words: set
    text: str
    output: list

    @property
    def loose(self):
        """Whether the numbers of the output are those of one run."""
        return bool(self.words & {"loose", "terminal"})


@dataclasses.dataclass
class Picture:
    """A picture of the page, taken when a JavaScript condition holds."""
    line: int
    words: set
    name: str
    selector: str
    condition: str


def read(text):
    """The steps of a page, in order. The words behind ```console are for this program.

    build: only with --build. cluster: only with --cluster. terminal: a program that stays in the foreground of a terminal of its own.
    loose: numbers differ from run to run, as they always do in what a terminal shows; elsewhere they are compared.
    """
    steps, words, heading = [], None, set()
    for number, line in enumerate(text.splitlines(), 1):
        if words is None:
            if line.startswith("#"):
                heading = {"cluster"} if "cluster" in line else set()
            elif found := FENCE.match(line):
                words = set(found[1].split())
            elif found := PICTURE.match(line):
                steps.append(Picture(number, heading, *found.groups()))
        elif line == "```":
            words = None
        elif line.startswith("$ "):
            steps.append(Command(number, words, line[2:], []))
        elif steps[-1].text.endswith("\\"):
            steps[-1].text += "\n" + line
        elif line:
            steps[-1].output.append(line)
    return steps


def missing(expected, seen, loose):
    """The first expected line that is not among the lines seen, in their order; … stands for anything, and, if `loose`, a number for any."""
    lines = iter(seen)
    for line in expected:
        pattern = pattern_of(line, loose)
        if line != "…" and not any(pattern.search(other) for other in lines):
            return line
    return None


def pattern_of(line, loose):
    """What a line looks like that is the same but for the length of its spaces, and for its numbers if `loose`."""
    def words(text):
        return r"\s+".join(number.join(re.escape(part) for part in split(word)) for word in text.split())
    number, split = (NUMBER.pattern, NUMBER.split) if loose else ("", lambda word: [word])
    return re.compile(".*".join(words(part) for part in line.strip().split("…")))
