"""The words that synthetic posts are made of."""

from __future__ import annotations

__all__ = [
    "ADJECTIVES",
    "CLOSINGS",
    "ODD_DESCRIPTIONS",
    "ODD_ENDINGS",
    "ODD_TITLES",
    "OPENINGS",
    "SHORT_TEXTS",
    "TAG_FORMS",
    "TITLE_FORMS",
    "TOPICS",
]

TOPICS = {
    "art": (
        "pencil sketch, watercolour landscape, oil portrait, ink drawing, clay figure, charcoal study, "
        "street mural, acrylic pour, paper collage, anime character, colour palette, canvas painting, "
        "line drawing, glass mosaic"
    ),
    "beauty": (
        "nail design, braided hairstyle, eyeliner look, skin routine, face mask, lip colour, curly cut, "
        "brow shape, hair colour, bridal make-up, natural soap, hand cream, bath salt, short bob"
    ),
    "christmas": (
        "tree ornament, advent calendar, gingerbread house, door wreath, stocking filler, felt star, "
        "table setting, snow globe, paper angel, gift wrap, fireplace garland, candle holder, carol "
        "evening, winter village"
    ),
    "diy-and-crafts": (
        "macrame hanger, tin-can lantern, pom-pom rug, pressed-flower frame, origami box, wooden crate, "
        "bead bracelet, tie-dye shirt, rope basket, button card, felt puppet, soap mould, resin tray, "
        "pallet bench"
    ),
    "education": (
        "alphabet game, reading corner, fraction worksheet, science experiment, spelling list, bulletin "
        "board, history timeline, phonics chart, lesson planner, maths puzzle, study timetable, sensory "
        "bin, essay outline, map quiz"
    ),
    "event-planning": (
        "wedding arch, seating plan, birthday banner, balloon garland, baby shower, dessert table, guest "
        "book, photo booth, garden party, invitation card, table number, party favour, welcome sign, "
        "flower crown"
    ),
    "finance": (
        "savings jar, monthly budget, index fund, debt plan, side income, emergency fund, grocery bill, "
        "tax list, pension plan, spending tracker, first mortgage, dividend share, no-spend week, "
        "freelance rate"
    ),
    "home-decor": (
        "gallery wall, entry bench, linen curtain, open shelf, reading nook, attic bedroom, velvet sofa, "
        "bathroom tile, kitchen island, woven rug, window seat, plant stand, bunk bed, floor lamp"
    ),
    "mens-fashion": (
        "linen suit, denim jacket, leather boot, summer haircut, wool coat, striped shirt, beard trim, "
        "weekend outfit, knit tie, canvas sneaker, chino trouser, field watch, rain parka, tweed "
        "waistcoat"
    ),
    "quotes": (
        "morning thought, kind word, friendship saying, life lesson, love letter, courage line, gratitude "
        "list, self-care reminder, funny saying, teacher quote, mother quote, dream line, healing word, "
        "short poem"
    ),
    "tattoos": (
        "fine-line flower, wrist script, mountain outline, compass sleeve, small moon, koi half-sleeve, "
        "matching star, ankle vine, dotwork mandala, lettered rib, swallow pair, forearm map, tiny heart, "
        "geometric fox"
    ),
    "travel": (
        "island ferry, city weekend, packing list, mountain hut, night train, road trip, beach cabin, old "
        "town walk, desert camp, harbour market, winter escape, hidden waterfall, street food tour, lake "
        "house"
    ),
    "vehicles": (
        "classic coupe, camper van, vintage motorbike, electric hatchback, rally car, pickup truck, "
        "sidecar, racing bike, sports saloon, steam engine, off-road jeep, custom chopper, delivery "
        "tricycle, dream garage"
    ),
}
"""Category → its topics, joined by ", "."""

ADJECTIVES = (
    "easy",
    "simple",
    "beautiful",
    "modern",
    "rustic",
    "cheap",
    "gorgeous",
    "clever",
    "cosy",
    "timeless",
    "elegant",
    "bold",
    "quick",
    "stylish",
    "unique",
    "creative",
    "charming",
    "minimal",
    "playful",
    "fresh",
    "bright",
    "handmade",
    "surprising",
    "classic",
)

TITLE_FORMS = (
    "{n} {a} {t} ideas",
    "{n} {a} {t} ideas you will want to try this year",
    "How to make a {a} {t} in {n} minutes",
    "The best {t} for beginners: {n} {a} examples",
    "{a} {t} inspiration | {b} and {u}",
    "Why everyone loves a {a} {t}",
    "A {a} {t} for every budget",
    "{a} and {b} {t} designs",
    "{t}",
    "{n}+ {t} tips that are {a} and {b}",
    "Our {a} {t}, step by step (with pictures)",
    "What nobody tells you about the {a} {t}",
    "{a} {t} - free printable",
    "{t} & {u}: {n} {a} ways to combine them",
)
"""{n} a number, {a} and {b} adjectives, {t} and {u} topics; the first letter becomes a capital."""

OPENINGS = (
    "Looking for a {a} {t}? These {n} examples show how little it takes.",
    "This {a} {t} came together in one afternoon, and it cost next to nothing!",
    "We collected {n} {a} {t} ideas, from the first step to the last.",
    "A {t} does not have to be expensive.",
    "Save this {a} {t} for later.",
    "Learn how a {a} {t} can change the whole picture, with {n} tips you can use today.",
    "The {t} is back, and it is more {a} than ever.",
    "Don't miss our guide to the {a} {t}; it answers the {n} questions we hear most.",
    "If you like the {t}, you will love this {a} one.",
    "Here is everything I wish I had known before my first {t}, in {n} short points.",
)

CLOSINGS = (
    " Click through for the full list and a free checklist.",
    " Pin it now, thank yourself later!",
    " Perfect for beginners, families and everyone who is short of time, money or space.",
    " See more about {t}, {u} and other {b} things.",
    " #{h} #{k} #ideas",
    " There is a {b} version too, and a {u} to go with it.",
    " Which of the {n} is your favorite: the {a} one or the {b} one?",
    " Find out what to buy, what to skip, and how to keep it {b} for years.",
    " Written by people who made every mistake with a {u} already, so you do not need to.",
)
"""{h} and {k} are topics as hashtags."""

ODD_ENDINGS = (
    " 😍",
    " ❤️",
    " 🔥🔥🔥",
    " ✨",
    " 🎄☃️",
    " (◕‿◕✿)",
    " ⠀⠀•",
    " ™",
    " »",
    " ｗｏｗ",
    " – “must see”",
    " ‘so good’ — really",
    " | {b} & {u}",
    ' "{b}"',
    " {{{b}}}",
    " 👩🏽‍🎨",
    " – élégant à souhait",
    " für Anfänger",
    " çok güzel",
    " ハンドメイド",
    " это просто",
    " [VIDEO]",
    " 100% {b}; 0% stress",
    " @home",
    " ¿por qué no?",
    " \\o/",
)
"""What six texts of a hundred end in: the characters that break a careless reader."""

ODD_TITLES = (
    "Красивые идеи для дома и сада: {n} простых решений",
    "Простой рисунок карандашом для начинающих",
    "ＳＩＭＰＬＥ　ＩＤＥＡＳ {n}",
    "“{a}” {t}… or not?",
    '{t} "{a} {b}" {{{n}}}',
    "簡単な手作りアイデア{n}選",
    "{n} idées de {t}, faciles et jolies",
    "🎁 {n} {a} {t} 🎁",
    "{a} {t}\n{b} {u}",
)

ODD_DESCRIPTIONS = (
    "Смотрите ещё {n} идей: просто, красиво и недорого. Сохраните, чтобы не потерять!",
    "Ｆｕｌｌ　ｗｉｄｔｈ, full heart: {n} {a} {t} ideas.",
    "❤️ {t} ❤️ {u} ❤️",
    "Das schönste {t} für große und kleine Räume – {n} Beispiele, übersichtlich erklärt.",
    "{n} façons d’oser le {t} : « {a} », « {b} » et même {u}.",
)

SHORT_TEXTS = ("Home", "Ideas", "Nice", "DIY!", "Love it", "2021", "Wow.", "Yes", "Art.", "null")
"""Real texts are as short as four letters; "null" is one of them and means itself."""

TAG_FORMS = (
    "{}",
    "{} Ideas",
    "Easy {}",
    "Cute {}",
    "Diy {}",
    "{} Diy",
    "Best {}",
    "My {}",
    "{} Tips",
    "New {}",
)
