// Package verdict is what a scan concludes: the verdict of one endpoint in one
// byte, a Cell, which each answer can only strengthen; and from the tries at which
// hosts answered, a Tally, the share of attempts that were lost and how many
// answering hosts silence still hides.
package verdict
