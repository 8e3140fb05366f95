package report

import "io"

func newText(w io.Writer, _ Options) Handler { return newJSONL(w) }
