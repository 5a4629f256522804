package kit

import (
	"errors"
	"html"
	"strings"
)

// ErrNoKit says that a file is no recovery kit.
var ErrNoKit = errors.New("this is not a recovery kit")

// Parse reads a page that Text or HTML wrote. Of what it says how to do, and
// of when it was proven, nothing is read.
func Parse(page []byte) (*Kit, error) {
	text := string(page)
	if !strings.Contains(text, title) {
		return nil, ErrNoKit
	}
	facts := textFacts
	if strings.HasPrefix(strings.TrimSpace(text), "<!DOCTYPE html>") {
		facts = htmlFacts
	}
	k := new(Kit)
	for _, f := range facts(text) {
		k.take(f)
	}
	if k.Location == "" || k.RepositoryID == "" {
		return nil, ErrNoKit
	}
	return k, nil
}

// take sets what a fact says.
func (k *Kit) take(f fact) {
	switch first := f.lines[0]; f.heading {
	case headMachine:
		k.Host = first
	case headProtected:
		k.Paths = f.lines
	case headRepository:
		k.Location = first
	case headName:
		k.Name = first
	case headID:
		k.RepositoryID = first
	case headKey:
		k.KeyID = first
	case headFingerprint:
		k.Fingerprint = first
	case headEvidence:
		k.EvidenceKey = first
	case headPassword:
		if first != blank {
			k.Password = first
		}
	}
}

// textFacts finds the facts of a page of text: the first lines that are
// indented, up to the next that is not.
func textFacts(text string) []fact {
	var facts []fact
	for line := range strings.SplitSeq(text, "\n") {
		line, indented := strings.CutPrefix(strings.TrimSuffix(line, "\r"), "  ")
		if !indented || len(line) <= headingWidth {
			if len(facts) > 0 {
				break
			}
			continue
		}
		heading, value := strings.TrimSpace(line[:headingWidth]), line[headingWidth+1:]
		if heading == "" && len(facts) > 0 {
			last := &facts[len(facts)-1]
			last.lines = append(last.lines, value)
			continue
		}
		facts = append(facts, fact{heading, []string{value}})
	}
	return facts
}

// htmlFacts finds the rows of the table.
func htmlFacts(text string) []fact {
	var facts []fact
	for line := range strings.SplitSeq(text, "\n") {
		row, ok := strings.CutPrefix(strings.TrimSuffix(line, "\r"), "<tr><th>")
		heading, value, found := strings.Cut(strings.TrimSuffix(row, "</td></tr>"), "</th><td>")
		if !ok || !found {
			continue
		}
		lines := strings.Split(value, "<br>")
		for n := range lines {
			lines[n] = html.UnescapeString(lines[n])
		}
		facts = append(facts, fact{heading, lines})
	}
	return facts
}
