//go:build !unix

package report

import (
	"context"
	"os"
)

// openFIFO opens what is not a regular file.
func openFIFO(_ context.Context, name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY, 0)
}
