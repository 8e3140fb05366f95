// Package arrival has the sentences about who comes to a listener, and about what a far end
// with the same key answers.
package arrival
