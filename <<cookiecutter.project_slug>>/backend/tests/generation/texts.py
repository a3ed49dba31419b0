"""Texts that the tests give to a run."""

from __future__ import annotations

LIGHTHOUSES = """\
# Lighthouses

A lighthouse is a tower that sends light out to sea so that ships can tell where the coast is. The first large one
stood at Alexandria and was more than a hundred metres high. For centuries open fires were burned on top of such
towers, and the keepers had to carry the wood up the stairs every night.

## The lens

In 1822 Augustin Fresnel built a lens for lighthouses from rings of glass, each of which bends the light towards the
horizon. With his lens the light of a lamp could be seen from ships at a distance of thirty kilometres. Within a few
decades every important lighthouse on the coast had such a lens. More on it: https://example.com/fresnel.

## The keepers

The keepers of a lighthouse lived in the tower or beside it, often with their families. They cleaned the lens, filled
the lamp with oil and wound up the clockwork that turned the light. When electric light came, fewer keepers were
needed, and today almost every lighthouse works without any keeper at all.
"""

GOOD_DRAFT = """\
## Key points

- A lighthouse shows ships where the coast is.
- Fresnel's lens made its light visible from thirty kilometres.
- Almost no lighthouse has a keeper today.

## In short

Lighthouses went from open fires to lenses and electric light, and in the end they needed nobody to look after them.
"""
