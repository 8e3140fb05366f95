package local

// What the tests see of the inside.
type (
	Query = query
	View  = view
)

var (
	CheckWith = check
	Look      = look
)
