package wording

// UsageError is a mistake in what a user wrote, found before anything is sent, with a hint
// at what would be right.
type UsageError struct {
	Err  error
	Hint string // "" for none
}

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// HintedError is an error that is not the command line's, with what its user may do about it.
type HintedError struct {
	Err  error
	Hint string
}

func (e *HintedError) Error() string { return e.Err.Error() }
func (e *HintedError) Unwrap() error { return e.Err }
