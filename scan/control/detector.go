package control

import (
	"math"
	"time"
)

// Mark is a moment of a scan: the pass, the position in the order at which the
// pass stood, and the time.
type Mark struct {
	Pass int
	Pos  uint64
	At   time.Time
}

// Interval is a part of a scan from one mark up to another. What left in it is
// no evidence if no one answered.
type Interval struct{ From, To Mark }

// State is what a Detector concludes about the path.
type State uint8

// The states.
const (
	Works State = iota // controls answer as often as usual
	Fails              // they answer far more seldom, or not at all
)

const (
	// enough is how many outcomes make a share: the usual one at first, and one of a
	// path at rest.
	enough = 16

	// allSilent is how many controls in a row are silent where the usual share is not
	// known yet, until the path is taken to have failed. Where two fifths of all
	// probes are lost, chance does that once in 1,500 times. After someSilent in a row, or
	// as many as there are hosts that may be asked, the path is taken for one that had
	// failed: what left then is asked again.
	allSilent  = 8
	someSilent = 7

	// lowShare is a share with which the scan's own pace is suspected from the start.
	lowShare = 0.7

	// noticeable is the least difference between the shares with and without load
	// that is blamed on the pace, and certain how many standard deviations of the
	// difference of two samples it must be. Of a path at rest at most maxRested
	// outcomes are waited for.
	noticeable = 0.3
	certain    = 3
	maxRested  = 32

	// failThreshold is the score at which a path is taken to have failed. Of the
	// excursions of the score from zero on a path that works, one in 100,000 gets
	// there (A. Wald, "Sequential Analysis", 1947: at most exp(-threshold)); large
	// scans see thousands. recoverThreshold, likewise, is that of a failed path that
	// works again, and of one in 100.
	failThreshold    = 11.5
	recoverThreshold = 4.6

	// maxMemory bounds the outcomes that the usual share is averaged over, so that it
	// follows a path whose loss changes slowly.
	maxMemory = 1000
)

// before orders marks.
func (m Mark) before(o Mark) bool { return m.Pass < o.Pass || m.Pass == o.Pass && m.Pos < o.Pos }

// Detector decides from the outcomes of control probes when a path fails and
// when it works again. It is E. S. Page's cumulative sum test ("Continuous
// Inspection Schemes", Biometrika 41, 1954) of two hypotheses: that controls
// answer with their usual share p, and that they answer with p/2. The score sums
// the logarithms of the likelihood ratio and never falls below zero; where it
// last was zero is the most likely moment of the change, and so the moment from
// which on silence is no evidence.
//
// The zero Detector is of a path of which nothing is known. It is not safe for
// concurrent use.
type Detector struct {
	hosts   float64 // that are controls
	state   State
	score   float64 // of the test for the other state
	settled Mark    // silence of what left before is evidence
	answer  Mark    // the last
	usual   tally
	recent  tally // since settled: they may be of a failure
	loaded  tally // recent, when the path failed
	rested  tally // since then
}

// State is what the outcomes so far show.
func (d *Detector) State() State { return d.state }

// Settled is the mark up to which silence is evidence.
func (d *Detector) Settled() Mark { return d.settled }

// A Change is what an outcome shows of a path that had failed.
type Change struct {
	Works  bool     // it works again
	Void   Interval // silence in it is no evidence; empty where it was no failure
	Loaded float64  // the share of controls that answered when it failed
	Rested float64  // … and that have answered since
	Pace   bool     // the scan's own pace made them fail
	Sure   bool     // it was a failure, and not a few controls that were silent by chance
}

// Outcome takes in what became of a control probe that left at a mark. Outcomes
// come in the order in which the probes left. loaded means that the scan went on
// meanwhile: whether a path works again is tested while it pauses.
func (d *Detector) Outcome(at Mark, answered, loaded bool) (c Change) {
	if answered {
		d.answer = at
	}
	if d.state == Fails {
		return d.recover(at, answered, loaded)
	}
	d.recent.add(answered)
	if d.usual.asked < enough {
		return d.learn(at, answered)
	}
	usual := d.usual.share()
	if answered {
		d.score = max(0, d.score-math.Ln2)
	} else {
		d.score += math.Log((1 - usual/2) / (1 - usual))
	}
	switch {
	case d.score == 0:
		d.settled = at
		d.usual.merge(&d.recent)
	case d.score >= failThreshold:
		d.fail(d.recent)
	}
	return c
}

// late takes in that one of the silent control probes was answered after all.
func (d *Detector) late() {
	switch {
	case d.state == Fails && d.rested.answered < d.rested.asked:
		d.rested.answered++
	case d.state == Fails && d.loaded.answered < d.loaded.asked:
		d.loaded.answered++
	case d.state == Works && d.recent.answered < d.recent.asked:
		d.recent.answered++
		d.score = max(0, d.score-math.Ln2)
	}
}

// learn measures the usual share. While it is not known, a path fails if all
// controls are silent.
func (d *Detector) learn(at Mark, answered bool) (c Change) {
	if answered {
		if d.recent.asked > min(someSilent, d.hosts) {
			c = Change{Works: true, Void: Interval{d.settled, at}}
		}
		d.settled = at
		d.usual.merge(&d.recent)
	}
	switch {
	case d.recent.asked >= allSilent:
		d.fail(d.recent)
	case d.usual.asked >= enough && d.usual.raw() < lowShare:
		d.fail(d.usual)
	}
	return c
}

// expect makes a path whose usual share is not known yet that of a larger one that
// it is part of.
func (d *Detector) expect(o *Detector) {
	if d.usual.asked < enough && o.usual.asked >= enough {
		d.usual = tally{enough, enough * o.usual.raw()}
	}
}

func (d *Detector) fail(loaded tally) {
	d.state, d.score, d.loaded, d.rested, d.recent = Fails, 0, loaded, tally{}, tally{}
}

// recover tests the opposite: that a failed path works as usual again, and not as it
// did when it failed. After enough outcomes, it works as well as it ever will.
func (d *Detector) recover(at Mark, answered, loaded bool) (c Change) {
	if loaded {
		d.loaded.add(answered)
		return c
	}
	usual := d.usual.share()
	failing := min((d.loaded.answered+0.5)/(d.loaded.asked+1), usual/2)
	d.rested.add(answered)
	if answered {
		d.score += math.Log(usual / failing)
	} else {
		d.score = max(0, d.score+math.Log((1-usual)/(1-failing)))
	}
	switch {
	case d.loaded.answered == 0:
		if d.score >= recoverThreshold || d.rested.asked >= maxRested && d.rested.answered > 0 {
			return d.work(at)
		}
	case d.pace() || d.rested.asked >= maxRested && d.rested.answered > 0:
		return d.work(at)
	}
	return c
}

// pace reports whether far more controls answer at rest than did under load, of
// which some did.
func (d *Detector) pace() bool {
	n, m := d.loaded.asked, d.rested.asked
	if d.loaded.answered == 0 || m < enough/2 {
		return false
	}
	p := (d.loaded.answered + d.rested.answered) / (n + m)
	more := d.rested.raw() - d.loaded.raw()
	return more >= noticeable && more >= certain*math.Sqrt(p*(1-p)*(1/n+1/m))
}

// work ends a failure.
func (d *Detector) work(at Mark) Change {
	c := Change{Works: true, Sure: true, Loaded: d.loaded.raw(), Rested: d.rested.raw(), Pace: d.pace()}
	if c.Loaded == 0 || c.Pace {
		c.Void = Interval{d.settled, at}
	}
	if c.Loaded > 0 && d.rested.asked >= enough/2 { // the usual share was measured under load, or is no more
		d.usual = d.rested
	}
	d.state, d.score, d.settled = Works, 0, at
	return c
}

// Accept takes a path of which some control has answered since it failed, or fewer than
// usual, for one that works, although that is not certain yet.
func (d *Detector) Accept(at Mark) Change {
	switch {
	case d.state == Fails && d.rested.answered > 0:
		return d.work(at)
	case d.state == Works && !d.answer.before(at):
		d.usual.merge(&d.recent)
		d.settled, d.score = at, 0
		return Change{Works: true}
	}
	return Change{}
}

// tally counts control probes.
type tally struct{ asked, answered float64 }

func (t *tally) add(answered bool) {
	t.asked++
	if answered {
		t.answered++
	}
}

func (t tally) plus(o tally) tally { return tally{t.asked + o.asked, t.answered + o.answered} }

// raw is the share that answered; 0 of none.
func (t *tally) raw() float64 { return t.answered / max(t.asked, 1) }

// share is what the share that answers is at least, with a confidence of 95 %: the
// lower end of E. B. Wilson's interval ("Probable Inference, the Law of Succession,
// and Statistical Inference", JASA 22, 1927). It is neither 0 nor 1.
func (t *tally) share() float64 {
	const z2 = 1.64 * 1.64
	n, p := max(t.asked, 1), t.raw()
	if t.asked == 0 {
		p = 1
	}
	low := (p + z2/(2*n) - math.Sqrt(z2*(p*(1-p)+z2/(4*n))/n)) / (1 + z2/n)
	return min(max(low, 0.05), 0.99)
}

// merge moves the counts of o into t, and halves them when they are many, so that
// later ones count more.
func (t *tally) merge(o *tally) {
	t.asked += o.asked
	t.answered += o.answered
	if t.asked > maxMemory {
		t.asked, t.answered = t.asked/2, t.answered/2
	}
	*o = tally{}
}
