package coverage

import (
	"errors"
	"fmt"
	"strings"

	"onmux/probe/wording"
	"onmux/scan/target"
)

// LeftOut are sentences about what of a plan's targets is not probed, and why.
func LeftOut(p *target.Plan) []string { return sentences(p.LeftOut()) }

// PlanError is an error of target.NewPlan that names what was left out, if that was everything.
func PlanError(err error) error {
	e, ok := errors.AsType[*target.NothingLeftError](err)
	if !ok {
		return err
	}
	why := "no targets: " + strings.Join(sentences(e.LeftOut), "; ")
	if e.Ranges {
		why += "; name an address by itself to probe it"
	}
	return errors.New(why)
}

func sentences(all []target.LeftOut) []string {
	var out []string
	for _, l := range all {
		out = append(out, sentence(l))
	}
	return out
}

// special has why no range reaches into some address space.
var special = map[target.LeftOutKind]string{
	target.LeftUnusable:  "no host can have such an address",
	target.LeftMulticast: "multicast",
	target.LeftReserved:  "reserved",
	target.LeftMapped:    "IPv4 in IPv6 form",
	target.LeftBroadcast: "broadcast address of a network of this machine",
}

func sentence(l target.LeftOut) string {
	family, flag := "IPv4", "-6"
	if l.IPv6 {
		family, flag = "IPv6", "-4"
	}
	one := l.Count == "1" || l.Total == 1
	switch {
	case l.Kind == target.LeftExcluded && one:
		return "1 address is excluded"
	case l.Kind == target.LeftExcluded:
		return l.Count + " addresses are excluded"
	case l.Kind == target.LeftOtherFamily && one:
		return fmt.Sprintf("%s is left out: it is %s (%s)", names(l), family, flag)
	case l.Kind == target.LeftOtherFamily:
		return fmt.Sprintf("%s are left out: they are %s (%s)", names(l), family, flag)
	case l.Kind == target.LeftFamilyOfHosts:
		return fmt.Sprintf("%s addresses of %s are left out (%s)", family, names(l), flag)
	case l.Kind == target.LeftNoZone:
		return fmt.Sprintf("link-local addresses of %s are left out: they came without a zone", names(l))
	case one:
		return fmt.Sprintf("%s is left out: %s", names(l), special[l.Kind])
	case l.Ranges:
		return fmt.Sprintf("%s addresses from %s to %s are left out: %s", l.Count, l.First, l.Last, special[l.Kind])
	case l.First.IsValid():
		return fmt.Sprintf("%s-%s (%s addresses) are left out: %s", l.First, l.Last, l.Count, special[l.Kind])
	}
	return fmt.Sprintf("%s are left out: %s", names(l), special[l.Kind])
}

// names lists the first of the names and counts the rest.
func names(l target.LeftOut) string { return wording.Few(l.Names, l.Total) }
