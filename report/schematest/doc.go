// Package schematest holds documents against the schema that ships with onmux.
// Only tests import it: the validator stays out of the program.
package schematest
