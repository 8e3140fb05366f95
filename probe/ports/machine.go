package ports

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"onmux/probe"
)

// Machine is what this machine has on all ports, read once.
type Machine struct {
	Settings
	ServicesFile  string
	ServicesError string // why the file, or some of it, could not be read

	services []Service
}

// ReadMachine reads it. What cannot be read stays unknown.
func ReadMachine() *Machine { return readMachine(servicesFile()) }

func readMachine(services string) *Machine {
	m := &Machine{Settings: ReadSettings(), ServicesFile: services}
	f, err := os.Open(services)
	if err == nil {
		m.services, err = parseServices(f)
		f.Close()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		m.ServicesError = "there is no such file"
	case err != nil:
		if cause := errors.Unwrap(err); cause != nil {
			err = cause // without the path, which is reported beside it
		}
		m.ServicesError = "it could not be read: " + err.Error()
	}
	return m
}

// Numbers are the ports that have a name, or an alias, on this machine or at IANA,
// from the lowest up. Case does not matter.
func (m *Machine) Numbers(name string, protos []probe.Proto) []uint16 {
	var found []uint16
	for _, p := range protos {
		found = append(found, NumbersOf(name, p)...)
	}
	same := func(n string) bool { return strings.EqualFold(n, name) }
	for _, s := range m.services {
		wanted := slices.ContainsFunc(protos, func(p probe.Proto) bool { return p.String() == s.Proto })
		if wanted && (same(s.Name) || slices.ContainsFunc(s.Aliases, same)) {
			found = append(found, s.Port)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Info is what is known of one port, for some protocols, without Notes.
func (m *Machine) Info(port uint16, protos []probe.Proto) Info {
	p := Info{
		Port: port, Protos: protos, Range: RangeOf(port), History: History(port),
		Services:         Services{File: m.ServicesFile, Error: m.ServicesError},
		UnprivilegedFrom: m.UnprivilegedFrom, EphemeralRange: m.Ephemeral,
	}
	for _, proto := range probe.Protos() {
		if name := NameOf(probe.Port{Number: port, Proto: proto}); name != "" {
			p.Names = append(p.Names, Name{name, proto, "IANA"})
		}
	}
	for _, s := range m.services {
		if s.Port == port && len(p.Services.Lines) < maxServiceLines {
			p.Services.Lines = append(p.Services.Lines, s)
			p.addName(s, m.ServicesFile)
		}
	}
	switch {
	case m.UnprivilegedFrom == nil:
	case int(port) >= *m.UnprivilegedFrom:
		p.MayBind = new(true)
	case m.Privileged != nil:
		p.MayBind = new(*m.Privileged)
	}
	if m.Ephemeral != nil {
		p.Ephemeral = new(m.Ephemeral.Has(port))
	}
	if m.ReservedKnown {
		p.Reserved = new(m.IsReserved(port))
	}
	return p
}

// addName adds the name of a line for TCP or UDP that has not been there before.
func (p *Info) addName(s Service, file string) {
	n := Name{Name: s.Name, Source: file}
	if n.Proto.UnmarshalText([]byte(s.Proto)) != nil {
		return
	}
	if !slices.ContainsFunc(p.Names, func(o Name) bool { return o.Name == n.Name && o.Proto == n.Proto }) {
		p.Names = append(p.Names, n)
	}
}
