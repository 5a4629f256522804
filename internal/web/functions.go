package web

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/size"
)

// functions are what templates can call.
func (s *site) functions() template.FuncMap {
	return template.FuncMap{
		"asset": s.assets.url,
		"nav":   nav,
		"icon":  icon,
		"prose": prose,
		"lines": lines,
		"url":   link,
		"dict":  dict,
		"add":   func(a, b int) int { return a + b },

		"bytes":   formatBytes,
		"count":   formatCount,
		"seconds": func(n float64) string { return formatSpan(seconds(n)) },
		"span":    formatSpan,
		"percent": formatPercent,
		"shortid": shortID,
		"when":    s.when,
		"ago":     s.ago,
		"date":    s.date,
		"plural":  plural,
		"since":   time.Since,
		"share":   func(part, whole float64) string { return num(100 * part / whole) },
		"job":     jobName,
		"record":  recordName,
		"lower":   strings.ToLower,
		"lastly":  lastly,
		"trigger": triggerName,

		"verdict":  verdictSign,
		"outcome":  outcomeSign,
		"standing": standingSign,
		"severity": severitySign,
		"mood":     moodSign,
		"marks":    marksOf,
		"gauge":    gaugeOf,
	}
}

// icon is a sign of the sprite in the layout. It says nothing by itself: a
// word stands beside it.
func icon(name string) template.HTML {
	return template.HTML(`<svg class="icon" aria-hidden="true"><use href="#i-` + template.HTMLEscapeString(name) + `"/></svg>`)
}

// prose is a sentence in which `commands` are set as such.
func prose(text string) template.HTML {
	parts := strings.Split(text, "`")
	var b strings.Builder
	b.WriteString("<bdi>")
	for k, part := range parts {
		part = template.HTMLEscapeString(part)
		if k%2 == 1 && k < len(parts)-1 {
			part = "<code>" + part + "</code>"
		} else if k%2 == 1 {
			part = "`" + part
		}
		b.WriteString(part)
	}
	b.WriteString("</bdi>")
	return template.HTML(b.String())
}

// line is a line of the configuration, and the note at its end.
type line struct{ Text, Note string }

func lines(text string) []line {
	var all []line
	for l := range strings.Lines(text) {
		l = strings.TrimSuffix(l, "\n")
		text, note, found := strings.Cut(l, " # ")
		if found {
			note = " # " + note
		}
		all = append(all, line{text, note})
	}
	return all
}

// link makes a URL of this site: parts of a path, and after a "?" keys with
// their values, of which empty ones are left out.
func link(parts ...any) template.URL {
	var path strings.Builder
	for k, part := range parts {
		text := fmt.Sprint(part)
		if text == "?" {
			return template.URL(cmp.Or(path.String(), "/") + query(parts[k+1:]))
		}
		path.WriteString("/" + url.PathEscape(text))
	}
	if path.Len() == 0 {
		path.WriteString("/")
	}
	return template.URL(path.String())
}

func query(pairs []any) string {
	values := make(url.Values)
	for k := 0; k+1 < len(pairs); k += 2 {
		if v := fmt.Sprint(pairs[k+1]); v != "" {
			values.Set(fmt.Sprint(pairs[k]), v)
		}
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

// dict hands several values to a template.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict has a key without a value")
	}
	m := make(map[string]any, len(pairs)/2)
	for k := 0; k < len(pairs); k += 2 {
		key, ok := pairs[k].(string)
		if !ok {
			return nil, fmt.Errorf("dict has a key that is no string: %v", pairs[k])
		}
		m[key] = pairs[k+1]
	}
	return m, nil
}

// formatBytes is size.FormatBytes for the numbers that templates have.
func formatBytes(n any) string {
	switch n := n.(type) {
	case uint64:
		return size.FormatBytes(n)
	case int64:
		return size.FormatBytes(n)
	case *int64:
		return size.FormatBytes(*n)
	case int:
		return size.FormatBytes(n)
	case float64:
		return size.FormatBytes(int64(n))
	}
	return fmt.Sprint(n)
}

// formatCount groups digits by thousands, with spaces that do not break.
func formatCount(n any) string {
	digits := fmt.Sprint(n)
	for k := len(digits) - 3; k > 0; k -= 3 {
		if digits[k-1] == '-' {
			break
		}
		digits = digits[:k] + "\u00a0" + digits[k:]
	}
	return digits
}

func formatPercent(p float64) string { return strconv.FormatFloat(p, 'f', 0, 64) + "\u00a0%" }

func seconds(n float64) time.Duration {
	if math.Abs(n) > math.MaxInt64/float64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(n * float64(time.Second))
}

// formatSpan writes a span of time with its two largest units, as people say
// it: "3 h 20 min", "2 d 4 h", "450 ms".
func formatSpan(d time.Duration) string {
	if d < 0 {
		return "-" + formatSpan(-d)
	}
	switch {
	case d == 0:
		return "0 s"
	case d < time.Second:
		return strconv.FormatInt(max(1, d.Milliseconds()), 10) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	}
	units := [...]struct {
		one  time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for k, u := range units {
		if d < u.one {
			continue
		}
		text := strconv.FormatInt(int64(d/u.one), 10) + " " + u.name
		if k+1 < len(units) {
			if rest := d % u.one / units[k+1].one; rest > 0 {
				text += " " + strconv.FormatInt(int64(rest), 10) + " " + units[k+1].name
			}
		}
		return text
	}
	return "0 s"
}

// shortID is the beginning of an ID, as commands take it.
func shortID(id string) string {
	if len(id) > 8 {
		return id[:8]
	}
	return id
}

const exact = "2006-01-02 15:04:05 MST"

// date writes an instant with its zone, "never" for none.
func (s *site) date(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(s.Zone).Format(exact)
}

// ago tells how long an instant is away from now, with the exact time behind
// it: "3 h ago", "in 20 min".
func (s *site) ago(t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	return s.timeElement(t, distance(time.Until(t)))
}

// when writes an instant as a date.
func (s *site) when(t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	return s.timeElement(t, t.In(s.Zone).Format("2006-01-02 15:04:05"))
}

func (s *site) timeElement(t time.Time, text string) template.HTML {
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`,
		t.UTC().Format(time.RFC3339), template.HTMLEscapeString(s.date(t)), template.HTMLEscapeString(text)))
}

func distance(d time.Duration) string {
	switch {
	case d > -5*time.Second && d < 5*time.Second:
		return "now"
	case d < 0:
		return coarse(-d) + " ago"
	}
	return "in " + coarse(d)
}

// coarse writes a span with one unit, or two if the first is a single one.
func coarse(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 10*time.Hour:
		return formatSpan(d.Truncate(time.Minute))
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + " d"
}

// plural writes a number with its word: plural 1 "plan" "plans".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return formatCount(n) + " " + many
}
