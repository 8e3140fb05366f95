package service

import (
	"strings"

	"onmux/probe"
	"onmux/probe/service/answer"
)

// name adds product and version from the library where the rules found none. What they
// found stays: a version is only added to the same product.
func (o *Options) name(s *probe.Service, texts []answer.SoftwareText) {
	if o.Library == nil || s.Product != "" && s.Version != "" {
		return
	}
	for _, t := range texts {
		if t.Text == "" {
			continue
		}
		found, ok := o.Library.Find(t.File, t.Text)
		if !ok || found.Product == "" || s.Product != "" && !strings.EqualFold(s.Product, found.Product) ||
			s.Product != "" && found.Version == "" {
			continue
		}
		if s.Product == "" {
			s.Product = answer.Printable(found.Product, answer.NameSize)
		}
		s.Version = answer.Printable(found.Version, answer.NameSize)
		s.Rule = strings.TrimPrefix(s.Rule+", recog "+t.File, ", ")
		return
	}
}
