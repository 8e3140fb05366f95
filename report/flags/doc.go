// Package flags has the flags that several commands share, each with one meaning everywhere.
package flags
