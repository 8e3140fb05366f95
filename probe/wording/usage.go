package wording

// UsageError is a mistake in what a user wrote, found before anything is sent, with a hint
// at what would be right.
type UsageError struct {
	Err  error
	Hint string // "" for none
}

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }
