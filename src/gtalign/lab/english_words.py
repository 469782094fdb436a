"""Names and nouns of the world in plain English; each is one word, so that a rule can find it."""

from typing import Final

_PEOPLE: Final = """
Adam Agnes Albert Alice Amanda Amir Amy Andrea Angela Anna Anton Arthur Barbara Ben Bianca Boris
Bruno Carla Carlos Carmen Caroline Cecilia Charles Chloe Clara Claire Conrad Cora Daniel Daphne
David Diana Diego Dora Edith Edward Elena Elias Elise Ella Emil Emily Emma Eric Esther Eva Felix
Fiona Flora Frank Frida George Gloria Grace Greta Hannah Harold Hector Helen Henry Hugo Ida Igor
Ines Irene Iris Isaac Ivan Jack Jacob James Jane Jasper Joan Jonas Joseph Judith Julia Karen
Karl Kate Kevin Laura Leah Leon Leo Lena Liam Lily Linda Lisa Louis Lucas Lucy Luis Magda Maria
Marco Martha Martin Max Maya Mia Miguel Mila Monica Nadia Nathan Nina Noah Nora Olga Oliver Omar
Oscar Otto Pablo Paula Peter Petra Philip Rachel Ralph Robert Rosa Ruth Samuel Sara Simon Sofia
Stella Susan Tara Teresa Thomas Tina Tom Ursula Vera Victor Viola Walter Wanda William Yara Zoe
"""

_CITIES: Final = """
Amsterdam Antwerp Athens Barcelona Basel Belgrade Bergen Berlin Bern Bilbao Bologna Bordeaux
Boston Bremen Brussels Budapest Cairo Calgary Chicago Cologne Copenhagen Cork Dallas Delhi
Denver Detroit Dresden Dublin Edinburgh Florence Frankfurt Geneva Genoa Ghent Glasgow Hamburg
Helsinki Houston Istanbul Kyoto Krakow Leeds Leipzig Lima Lisbon Liverpool London Lyon Madrid
Manchester Marseille Melbourne Miami Milan Montreal Moscow Munich Nairobi Nantes Naples Oslo
Ottawa Oxford Palermo Paris Perth Pisa Porto Prague Quebec Riga Rome Rotterdam Salzburg Santiago
Seattle Seoul Seville Sofia Stockholm Sydney Tokyo Toronto Toulouse Trieste Tunis Turin Utrecht
Valencia Venice Verona Vienna Vilnius Warsaw York Zagreb Zurich
"""
PEOPLE: Final = tuple(_PEOPLE.split())
CITIES: Final = tuple(name for name in _CITIES.split() if name not in PEOPLE)

COUNTED: Final = ("coins", "cards", "stamps", "apples", "marbles", "pencils")
UNCOUNTED: Final = ("shells", "books", "keys", "lemons", "candles", "spoons")
GAIN: Final = (("buys", "buy", "bought"), ("finds", "find", "found"), ("wins", "win", "won"))
LOSS: Final = (("sells", "sell", "sold"), ("loses", "lose", "lost"), ("drops", "drop", "dropped"))

_JOBS: Final = "baker judge pilot nurse miner tailor singer farmer dentist lawyer painter plumber"
_PETS: Final = "cat dog parrot snake pony rabbit goat hen turtle hamster duck ferret"
JOBS: Final = tuple(_JOBS.split())
PETS: Final = tuple(_PETS.split())

GUARDS: Final = ("smoke alarm", "fire alarm", "security camera", "burglar alarm")
HAZARDS: Final = ("steel press", "laser cutter", "gas burner", "rock crusher")
CONTROLS: Final = ("lever", "switch", "button", "dial", "wheel", "handle", "pedal", "knob")
