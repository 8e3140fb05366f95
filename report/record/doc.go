// Package record has the records that a report is made of: a start, what was found,
// an end, and the Handler that receives them in that order, with a method for each
// kind. Write routes a record to its method. Everything else in report reads this
// stream or produces it.
package record
