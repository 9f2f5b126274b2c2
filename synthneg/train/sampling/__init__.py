"""What comes in which batch: queries that are trained together, and the negatives that come with each.

`docs/reference/sampling.md` has what each does, its settings and its source. Which queries are in a batch: `distinct`,
`tas`, `ngame`, `mix`. Which negatives a query gets there: `star`, `adore`, `balanced`, `progressive`. `build` makes
what the settings name.
"""
