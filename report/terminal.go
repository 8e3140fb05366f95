package report

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
)

// Colored decides whether what goes to w is coloured: mode, which is "auto",
// "always" or "never", then NO_COLOR, then CLICOLOR_FORCE, then whether w is a
// terminal that can.
func Colored(mode string, w io.Writer) (bool, error) {
	force := os.Getenv("CLICOLOR_FORCE")
	switch {
	case mode == "always":
		return true, nil
	case mode == "never":
		return false, nil
	case mode != "auto":
		return false, fmt.Errorf("%q is not a choice of colour: auto, always or never", mode)
	case os.Getenv("NO_COLOR") != "":
		return false, nil
	case force != "" && force != "0":
		return true, nil
	}
	return Width(w) > 0 && os.Getenv("TERM") != "dumb" && os.Getenv("CLICOLOR") != "0", nil
}

// Width is the number of columns of the terminal that w is, COLUMNS if that is
// set, and 0 for all that is no terminal.
func Width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
		return n
	}
	return 80
}

// ASCII reports whether text is to be ASCII alone: on a terminal that shows nothing else, and
// where the locale is C or POSIX (setlocale(3): the first of the variables that is set).
func ASCII() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			return v == "C" || v == "POSIX" || os.Getenv("TERM") == "dumb"
		}
	}
	return os.Getenv("TERM") == "dumb"
}
