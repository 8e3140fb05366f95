//go:build !unix

package become

// Find fails: this system has no execve(2).
func Find([]string) (*Command, error) { return nil, ErrUnsupported }

// Run fails.
func (c *Command) Run() error { return ErrUnsupported }
