"""What is no arithmetic: greetings, questions about itself, and everything it cannot do."""

from __future__ import annotations

from random import Random

CAN = (
    "I work out sums, products, divisions, expressions, equations, remainders and powers, primes and common divisors, "
    "I sort numbers, play Countdown and solve short word problems."
)
CANNOT = "I can't do that. I only solve small problems with numbers."
HELLO = "Hello! Give me a problem with numbers, for example 47 * 86."

_GREETINGS = [
    "hi",
    "hello",
    "hey",
    "good morning",
    "good evening",
    "good afternoon",
    "hello there",
    "hi there",
    "greetings",
    "hey there",
    "hello pensee",
    "hi, how are you",
    "how are you",
    "how do you do",
    "what's up",
    "nice to meet you",
    "good day",
    "howdy",
]
_ABILITIES = [
    "what can you do",
    "what are you able to do",
    "how can you help me",
    "what can I ask you",
    "what are you good at",
    "which problems can you solve",
    "help",
    "what do you know",
    "can you help me",
    "what tasks do you support",
    "tell me what you can do",
    "what kind of questions can I ask",
]
_SELF = [
    "who are you",
    "what are you",
    "what is your name",
    "what's your name",
    "are you a person",
    "who made you",
    "are you human",
    "introduce yourself",
    "tell me about yourself",
    "what model are you",
    "are you an AI",
]
_THANKS = [
    "thanks",
    "thank you",
    "thank you very much",
    "thanks a lot",
    "great, thanks",
    "bye",
    "goodbye",
    "good night",
    "see you",
    "well done",
    "great",
    "that is right, thanks",
]
_SELF_ANSWER = "I am pensee-mini, a small reasoning model. " + CAN

_COUNTRIES = (
    "France Spain Japan Brazil Egypt Kenya India China Peru Chile Italy Norway Poland Canada Mexico Greece Turkey "
    "Ghana Iran Cuba"
).split()
_TOPICS = (
    "the sea,love,winter,history,the moon,cats,dogs,music,war,peace,the weather,physics,chemistry,football,cooking,"
    "gardens,trains,philosophy,the news,politics,economics,climate,birds,volcanoes,Rome,art,religion,health,"
    "space travel,computers,the internet,quantum mechanics,biology,chess,films,novels,fashion,dreams,the stock market,"
    "evolution"
).split(",")
_PEOPLE = (
    "Shakespeare,Einstein,Napoleon,Mozart,Darwin,Plato,Newton,Cleopatra,Gandhi,Picasso,the king,the president,"
    "Homer,Curie,Galileo"
).split(",")
_LANGUAGES = "French German Spanish Latin Chinese Japanese Russian Arabic Italian Greek".split()
_CODE = "Python C Java JavaScript Rust Go HTML SQL bash Haskell".split()
_PHRASES = [
    "good morning",
    "I love you",
    "where is the station",
    "the cat is black",
    "see you tomorrow",
    "thank you",
    "my name is Tom",
    "how much is it",
    "water",
    "the book is on the table",
]
_FORMS = [
    "write a poem about {topic}",
    "tell me a story about {topic}",
    "write an essay on {topic}",
    "explain {topic}",
    "what is the capital of {country}",
    "who was {person}",
    "when was {person} born",
    "translate '{phrase}' into {language}",
    "write a {code} program about {topic}",
    "how do I learn {language}",
    "tell me a joke about {topic}",
    "sing a song",
    "what do you think about {topic}",
    "summarize a book about {topic}",
    "how many people live in {country}",
    "what is the weather in {country}",
    "is {topic} good for me",
    "recommend a film about {topic}",
    "draw {topic}",
    "what is the meaning of {topic}",
    "why is the sky blue",
    "who wrote about {topic}",
    "give me advice on {topic}",
    "fix my {code} code",
    "what does {phrase} mean in {language}",
    "tell me a joke",
    "write a letter to {person}",
    "what is the best food in {country}",
    "how old is {person}",
    "what day is it",
    "what time is it",
    "book a flight to {country}",
    "plan a trip to {country}",
    "send a mail to {person}",
    "is it raining",
    "how do I cook rice",
    "define {topic}",
    "can you write {code}",
    "compare {topic} and {topic}",
    "what is new in {topic}",
    "prove that {topic} exists",
    "integrate x squared",
    "what is the derivative of sin x",
    "what is the square root of {number}",
    "is there life on Mars",
    "convert {number} miles to kilometres",
    "what happened in {number}",
    "how tall is {person}",
    "describe {country}",
    "generate a password",
    "open the door",
    "play music",
    "who is the president of {country}",
    "teach me {topic}",
]


def _varied(text: str, rng: Random, mark: str) -> str:
    text = text[0].upper() + text[1:] if rng.random() < 0.7 else text
    return text + rng.choice((mark, mark, "", "!" if mark == "." else mark))


def make(rng: Random) -> tuple[str, str, str]:
    """A question, its answer, and the thought."""
    kind = rng.choices(("hello", "can", "self", "thanks", "cannot"), (3, 3, 2, 1, 8))[0]
    if kind == "hello":
        return _varied(rng.choice(_GREETINGS), rng, "."), HELLO, "A greeting."
    if kind == "can":
        return _varied(rng.choice(_ABILITIES), rng, "?"), CAN, "A question about me."
    if kind == "self":
        return _varied(rng.choice(_SELF), rng, "?"), _SELF_ANSWER, "A question about me."
    if kind == "thanks":
        return _varied(rng.choice(_THANKS), rng, "."), "You are welcome. Give me another problem.", "A greeting."
    form = rng.choice(_FORMS)
    for name, values in (
        ("topic", _TOPICS),
        ("country", _COUNTRIES),
        ("person", _PEOPLE),
        ("language", _LANGUAGES),
        ("code", _CODE),
        ("phrase", _PHRASES),
    ):
        while "{" + name + "}" in form:
            form = form.replace("{" + name + "}", rng.choice(values), 1)
    form = form.replace("{number}", str(rng.randint(2, 2000)))
    polite = rng.choice(("", "", "", "please ", "can you "))
    text = polite + form
    mark = "?" if text.startswith(("what", "who", "when", "how", "why", "is ", "can ")) else "."
    return _varied(text, rng, mark), CANNOT, "Not a problem with numbers that I can solve."
