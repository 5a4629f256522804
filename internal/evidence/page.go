package evidence

import (
	"cmp"
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/internal/size"
)

// Page returns the record for a browser to print: it needs nothing but itself.
func (e *Entry) Page() string {
	p := &page{}
	r := e.Record
	fmt.Fprintf(&p.b, pageStart, html.EscapeString(title(r)), pageStyle, html.EscapeString(title(r)))
	word, class := verdictOf(r)
	fmt.Fprintf(&p.b, "<p class=\"verdict %s\">%s</p>\n", class, html.EscapeString(word))
	p.begin("Record")
	p.row("number", fmt.Sprint(r.Sequence))
	p.row("ended", utc(r.Time))
	p.row("took", seconds(r.Seconds))
	p.row("kept in repository", r.Repository)
	p.row("done by", strings.TrimSpace(r.Program+" on "+cmp.Or(r.Host, "an unnamed host")))
	p.end()
	if r.RestoreTest != nil {
		p.restoreTest(r)
	} else {
		p.check(r)
	}
	if len(r.Findings) > 0 {
		p.heading("What is wrong")
		p.b.WriteString("<ul>")
		for _, f := range r.Findings {
			fmt.Fprintf(&p.b, "<li>%s</li>\n", html.EscapeString(f))
		}
		p.b.WriteString("</ul>\n")
		if more := r.Problems - len(r.Findings); more > 0 {
			fmt.Fprintf(&p.b, "<p>and %d more</p>\n", more)
		}
	}
	p.proof(e)
	p.b.WriteString("</main></body></html>\n")
	return p.b.String()
}

// title names what was done.
func title(r *Record) string {
	switch r.Kind {
	case Restore:
		if t := r.RestoreTest; t != nil {
			return strings.TrimSpace("Restore test of " + t.Source + " " + map[bool]string{true: "(plan " + t.Plan + ")"}[t.Plan != ""])
		}
	case Check:
		return "Check of a repository"
	case ReadBack:
		return "Copies read back"
	case Archives:
		return "Archives read back"
	case Proof:
		return "Backup compared with its source"
	}
	return string(r.Kind)
}

// verdictOf says in a word how a record came out, and how it is shown.
func verdictOf(r *Record) (word, class string) {
	switch {
	case r.RestoreTest != nil && r.RestoreTest.Verdict == NotJudged:
		return "NOT JUDGED: the test could not be carried out", "bad"
	case r.Problems > 0:
		return fmt.Sprintf("FAILED: %d problems", r.Problems), "bad"
	case r.Kind == Restore:
		return "PROVEN: it came back", "good"
	}
	return "GOOD: nothing is wrong", "good"
}

type page struct{ b strings.Builder }

func (p *page) heading(text string) { fmt.Fprintf(&p.b, "<h2>%s</h2>\n", html.EscapeString(text)) }

func (p *page) begin(heading string) {
	p.heading(heading)
	p.b.WriteString("<table>\n")
}

func (p *page) end() { p.b.WriteString("</table>\n") }

// row adds a line, unless there is nothing to say.
func (p *page) row(name string, values ...string) {
	values = slices.DeleteFunc(values, func(v string) bool { return v == "" })
	if len(values) == 0 {
		return
	}
	for k := range values {
		values[k] = html.EscapeString(values[k])
	}
	fmt.Fprintf(&p.b, "<tr><th>%s</th><td>%s</td></tr>\n", html.EscapeString(name), strings.Join(values, "<br>"))
}

// cells adds a line of a table with several columns.
func (p *page) cells(tag string, cells ...string) {
	p.b.WriteString("<tr>")
	for _, c := range cells {
		fmt.Fprintf(&p.b, "<%s>%s</%s>", tag, html.EscapeString(c), tag)
	}
	p.b.WriteString("</tr>\n")
}

func (p *page) restoreTest(r *Record) {
	t := r.RestoreTest
	p.begin("What was restored")
	p.row("source", t.Source+" ("+t.SourceKind+")")
	p.row("from", t.From.Name, t.From.Location, t.From.Repository)
	if i := t.InsteadOf; i != nil {
		p.row("instead of", i.Name, i.Location, i.Repository, "from which it did not come back")
	}
	p.row("recovery point", t.Point.describe()...)
	if t.Files > 0 || t.Bytes > 0 {
		p.row("came back", fmt.Sprintf("%d files, %s", t.Files, size.FormatBytes(t.Bytes)))
	}
	p.row("to", t.Target.Folder, t.Target.Host, t.Target.System)
	p.row("kept apart by", slices.Clone(t.Target.Isolation)...)
	for _, name := range slices.Sorted(maps.Keys(t.Versions)) {
		p.row("version of "+name, t.Versions[name])
	}
	p.row("run by", t.Operator)
	p.row("settings of the plan", t.Settings)
	p.end()

	p.heading("Objectives")
	p.b.WriteString("<table class=\"wide\">\n")
	p.cells("th", "", "measured", "promised", "")
	p.objective("RTO: time until it was back", t.RTO)
	p.objective("RPO: age of the newest data that came back", t.RPO)
	p.end()

	p.heading("Steps")
	p.b.WriteString("<table class=\"wide\">\n")
	p.cells("th", "step", "began", "took", "")
	for _, s := range t.Steps {
		p.cells("td", s.Name, utc(s.Began), seconds(s.Seconds), s.Error)
	}
	p.end()

	p.heading("Checks")
	p.b.WriteString("<table class=\"wide\">\n")
	p.cells("th", "check", "expected", "actual", "")
	for _, c := range t.Checks {
		p.cells("td", c.Name, c.Expected, c.Actual, map[bool]string{true: "good", false: "WRONG"}[c.Good])
	}
	p.end()
	if t.Cleanup.Done {
		fmt.Fprintf(&p.b, "<p>What was restored was removed again at %s.</p>\n", utc(t.Cleanup.Time))
	} else {
		fmt.Fprintf(&p.b, "<p>What was restored was NOT removed: %s</p>\n", html.EscapeString(cmp.Or(t.Cleanup.Error, "nothing tells why")))
	}
}

func (p *page) objective(name string, t Time) {
	promised, kept := "nothing", ""
	if t.Promised > 0 {
		promised = seconds(t.Promised)
		kept = map[bool]string{true: "kept", false: "BREACHED"}[t.Kept()]
	}
	p.cells("td", name, seconds(t.Measured), promised, kept)
}

// describe says what the point is.
func (p *TestPoint) describe() []string {
	lines := []string{"asked for: " + p.Asked}
	if p.Seed != 0 {
		lines[0] += fmt.Sprintf(", drawn with seed %d", p.Seed)
	}
	if p.Snapshot != "" {
		lines = append(lines, "snapshot "+p.Snapshot, "of "+utc(p.Time))
	}
	if p.Reached != "" {
		lines = append(lines, "recovered to "+p.Reached)
	}
	return lines
}

func (p *page) check(r *Record) {
	p.begin("What was looked at")
	read := map[Extent]string{All: "all packs", Part: "a part of the packs", Trees: "folders; no content of files"}[r.Read]
	p.row("read", read, r.Subset)
	if r.PacksRead > 0 {
		p.row("packs", fmt.Sprintf("%d of %d", r.PacksRead, r.Packs))
	}
	if r.BytesRead > 0 {
		p.row("content", size.FormatBytes(r.BytesRead))
	}
	if r.Snapshots > 0 {
		p.row("snapshots", fmt.Sprint(r.Snapshots))
	}
	if r.Snapshot != nil {
		p.row("snapshot", r.Snapshot.String())
	}
	p.end()
}

// proof says how the page is held to what was signed.
func (p *page) proof(e *Entry) {
	p.begin("This record among the others")
	p.row("SHA-256", e.Hash.String())
	var previous []string
	for _, one := range e.Record.Previous {
		previous = append(previous, one.String())
	}
	if len(previous) == 0 {
		previous = []string{"none: it is the first"}
	}
	p.row("follows", previous...)
	p.row("signed by", cmp.Or(e.Record.Signer, "nobody"))
	p.end()
	p.b.WriteString("<p class=\"small\">The signed record is the file of the same name that ends with .json; this page is made from it. " +
		"Verify it with minisign, or with <code>holdfast evidence verify</code>.</p>\n")
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

const pageStart = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>%s</style></head>
<body><main>
<h1>%s</h1>
`

// pageStyle is for a sheet of A4 or Letter, and for screens on the way there.
// Verdicts are told by words and frames, not by colour: printers have none.
const pageStyle = `
@page { size: auto; margin: 12mm }
* { box-sizing: border-box }
body { margin: 0; background: #fff; color: #000; font: 9.5pt/1.3 system-ui, "Segoe UI", Helvetica, Arial, sans-serif }
main { max-width: 182mm; margin: 0 auto; padding: 4mm }
h1 { font-size: 15pt; margin: 0 0 2mm; padding-bottom: 2mm; border-bottom: 1.2mm solid #000 }
h2 { font-size: 10pt; margin: 3.2mm 0 1mm; break-after: avoid }
p, ul { margin: 1mm 0 }
table { border-collapse: collapse; width: 100%; margin: 1mm 0 }
th, td { text-align: left; vertical-align: top; padding: .7mm 2mm .7mm 0; border-bottom: .2mm solid #bbb; overflow-wrap: anywhere }
tr { break-inside: avoid }
th { width: 38mm; font-weight: 600 }
.wide th { width: auto }
.verdict { font-size: 13pt; font-weight: 700; padding: 2mm 3mm; border: .6mm solid #000 }
.verdict.bad { background: #000; color: #fff; -webkit-print-color-adjust: exact; print-color-adjust: exact }
.small { font-size: 8pt }
`
