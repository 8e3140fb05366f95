package html

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/phrase/passing"
)

// Of the picture of who talks to whom: how many clients and endpoints have a place of their own,
// how many pairs of them the table has, and the size of the drawing, which is stretched.
const (
	maxParties = 16
	maxPairs   = 100
	linksWide  = 100
	linksHigh  = 1000
	thickest   = 7.0 // pixels of the line with the most flows
)

// link is all flows between two places of the picture.
type link struct {
	client, endpoint int // places
	party
	sent, received uint64
}

// talkers draws which clients talk to which endpoints, and lists them.
func (p *passed) talkers(b *bytes.Buffer) {
	if len(p.flows) == 0 {
		return
	}
	clients, otherClients := p.mostClients(maxParties)
	endpoints, otherEndpoints := p.mostEndpoints(maxParties)
	links := p.links(placesOf(clients, len(p.clients.all)), placesOf(endpoints, len(p.endpoints.all)))
	if otherClients.connections > 0 {
		otherClients.name = phrase.Count(uint64(len(p.clients.all)-len(clients)), "other client", "other clients")
		clients = append(clients, otherClients)
	}
	if otherEndpoints.connections > 0 {
		otherEndpoints.name = phrase.Count(uint64(len(p.endpoints.all)-len(endpoints)), "other endpoint", "other endpoints")
		endpoints = append(endpoints, otherEndpoints)
	}
	order := untangle(len(clients), otherClients.connections > 0, links)
	fmt.Fprintf(b, "<section id=\"talkers\"><h2>Who talks to whom</h2>\n<p class=\"meta\">%s and %s, those with the most "+
		"flows by name; a line is as thick as it has flows.</p>\n",
		wording.Count(uint64(len(p.clients.all)), "client", "clients"),
		wording.Count(uint64(len(p.endpoints.all)), "endpoint", "endpoints"))
	legend(b, links)
	b.WriteString("<div class=\"talk\">\n<ul>\n")
	for _, i := range order {
		writeParty(b, &clients[i], "any", "")
	}
	b.WriteString("</ul>\n")
	drawLinks(b, links, order, len(clients), len(endpoints))
	b.WriteString("<ul>\n")
	for i := range endpoints {
		class, before := "any", ""
		if endpoints[i].number >= 0 {
			state := endpoints[i].state.String()
			class, before = stateClass(state), state+", "
		}
		writeParty(b, &endpoints[i], class, before)
	}
	b.WriteString("</ul>\n</div>\n")
	linkTable(b, clients, endpoints, links)
	b.WriteString("</section>\n")
}

// placesOf is the place of each party by its number: that of those that are not listed is the last.
func placesOf(listed []party, all int) []int {
	places := make([]int, all)
	for i := range places {
		places[i] = len(listed)
	}
	for i, p := range listed {
		places[p.number] = i
	}
	return places
}

// links adds the flows up by their places, those with the most flows first.
func (p *passed) links(clientPlace, endpointPlace []int) []link {
	of := make(map[[2]int]*link)
	for i := range p.flows {
		f := &p.flows[i]
		key := [2]int{clientPlace[f.client], endpointPlace[f.endpoint]}
		l := of[key]
		if l == nil {
			l = &link{client: key[0], endpoint: key[1]}
			of[key] = l
		}
		l.extend(f)
		l.sent += f.sent
		l.received += f.received
	}
	links := make([]link, 0, len(of))
	for _, l := range of {
		links = append(links, *l)
	}
	slices.SortFunc(links, func(a, b link) int {
		return cmp.Or(cmp.Compare(b.connections, a.connections), cmp.Compare(a.client, b.client),
			cmp.Compare(a.endpoint, b.endpoint))
	})
	return links
}

// untangle orders the clients by where their flows go on average, so that few lines cross. The
// last one stays so if it stands for the others.
func untangle(clients int, others bool, links []link) []int {
	sum, weight, order := make([]float64, clients), make([]float64, clients), make([]int, clients)
	for _, l := range links {
		sum[l.client] += float64(l.endpoint) * float64(l.connections)
		weight[l.client] += float64(l.connections)
	}
	for i := range order {
		order[i] = i
		sum[i] /= max(weight[i], 1)
	}
	if others {
		clients--
	}
	slices.SortStableFunc(order[:clients], func(a, b int) int { return cmp.Compare(sum[a], sum[b]) })
	return order
}

// legend names the lines of the states that there are, as far as they look different.
func legend(b *bytes.Buffer, links []link) {
	var has [probe.StateCount]bool
	for _, l := range links {
		has[l.state] = true
	}
	b.WriteString("<ul class=\"legend\">\n")
	for _, s := range probe.States() {
		if has[s] {
			fmt.Fprintf(b, "<li class=\"%s\"><svg class=\"sample\" viewBox=\"0 0 30 8\" aria-hidden=\"true\">"+
				"<path class=\"link\" stroke-width=\"3\" d=\"M0 4H30\"/></svg>%s</li>\n",
				stateClass(s.String()), htmlText(s.String()))
		}
	}
	b.WriteString("</ul>\n")
}

func writeParty(b *bytes.Buffer, p *party, class, before string) {
	note := before + phrase.Count(p.connections, "flow", "flows")
	if p.bytes > 0 {
		note += ", " + passing.Bytes(p.bytes)
	}
	fmt.Fprintf(b, "<li class=\"%s\"><span class=\"name\">%s</span><span class=\"note\">%s</span></li>\n", class,
		placeText(p.name), htmlText(plainSpaces(note)))
}

// drawLinks draws a line for each link: clients, in their order, are on the left, endpoints on the right.
func drawLinks(b *bytes.Buffer, links []link, order []int, clients, endpoints int) {
	row := make([]int, clients)
	for i, c := range order {
		row[c] = i
	}
	fmt.Fprintf(b, "<div class=\"links\"><svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" "+
		"aria-label=\"Lines between clients and endpoints; the table below has the same\">\n", linksWide, linksHigh)
	middle := func(i, n int) int { return (2*i + 1) * linksHigh / (2 * n) }
	for _, l := range slices.Backward(links) { // the thick ones on top
		from, to := middle(row[l.client], clients), middle(l.endpoint, endpoints)
		width := 1 + (thickest-1)*math.Sqrt(float64(l.connections)/float64(links[0].connections))
		fmt.Fprintf(b, "<path class=\"link %s\" stroke-width=\"%.1f\" d=\"M0 %dC%d %d %d %d %d %d\"/>\n",
			stateClass(l.state.String()), width, from, linksWide/2, from, linksWide/2, to, linksWide, to)
	}
	b.WriteString("</svg></div>\n")
}

// linkTable lists the links.
func linkTable(b *bytes.Buffer, clients, endpoints []party, links []link) {
	b.WriteString("<details><summary>as a table</summary>\n<div class=\"wide\"><table class=\"cards\">\n<thead><tr>")
	names := []string{"client", "endpoint", "state", "flows", "sent", "received"}
	for _, name := range names {
		b.WriteString("<th scope=\"col\">" + name + "</th>")
	}
	b.WriteString("</tr></thead>\n<tbody>\n")
	for _, l := range links[:min(len(links), maxPairs)] {
		b.WriteString("<tr><th scope=\"row\">" + htmlText(plainSpaces(clients[l.client].name)) + "</th>")
		for i, cell := range []string{endpoints[l.endpoint].name, l.state.String(), wording.Number(l.connections),
			passing.Bytes(l.sent), passing.Bytes(l.received)} {
			fmt.Fprintf(b, "<td data-name=\"%s\">%s</td>", names[i+1], htmlText(plainSpaces(cell)))
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody></table></div>\n")
	if n := len(links) - maxPairs; n > 0 {
		fmt.Fprintf(b, "<p>and %s more</p>\n", wording.Number(uint64(n)))
	}
	b.WriteString("</details>\n")
}
