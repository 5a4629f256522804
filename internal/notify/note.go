package notify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/internal/event"
)

// Note is what a channel gets: one message, or many in one.
type Note struct {
	// Title is one line, Text some more; both are plain.
	Title string
	Text  string
	// Severity is that of the most severe event, Info if all are over.
	Severity event.Severity
	// Events are what it is about; of what is over, Over is set.
	Events []event.Event
}

// maxListed bounds what a note of many messages lists.
const maxListed = 20

// compose makes a note of messages.
func compose(messages []*message, now time.Time) Note {
	var n Note
	for _, m := range messages {
		n.Events = append(n.Events, m.Event)
		if !m.Event.Over {
			n.Severity = max(n.Severity, m.Event.Severity)
		}
	}
	if len(messages) == 1 {
		n.Title, n.Text = headline(messages[0]), body(messages[0], now)
		return n
	}
	n.Title = fmt.Sprintf("holdfast: %d messages%s", len(messages), ofPlans(n.Events))
	var lines []string
	for _, m := range messages[:min(len(messages), maxListed)] {
		lines = append(lines, headline(m))
	}
	if more := len(messages) - maxListed; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more: `holdfast status` shows how things stand", more))
	}
	n.Text = strings.Join(lines, "\n")
	return n
}

// headline is the one line of a message.
func headline(m *message) string {
	mark := map[bool]string{true: "OK", false: strings.ToUpper(m.Event.Severity.String())}[m.Event.Over]
	switch m.Reason {
	case still, escalated:
		mark += " (not over)"
	case worse:
		mark += " (worse)"
	}
	return mark + ": " + m.Event.Summary
}

// body gives the figures beside it.
func body(m *message, now time.Time) string {
	var lines []string
	add := func(name, value string) {
		if value != "" {
			lines = append(lines, name+": "+value)
		}
	}
	add("plan", m.Event.Plan)
	add("source", m.Event.Source)
	add("repository", m.Event.Repository)
	add("run", m.Event.Run)
	for _, key := range slices.Sorted(maps.Keys(m.Event.Details)) {
		add(key, m.Event.Details[key])
	}
	add("time", m.Event.Time.Format(time.RFC3339))
	switch {
	case m.Reason == ended:
		add("lasted", m.Event.Time.Sub(m.Since).Round(time.Second).String())
	case m.Reason == still, m.Reason == escalated:
		add("lasts for", now.Sub(m.Since).Round(time.Second).String())
	}
	return strings.Join(lines, "\n")
}

// ofPlans names the plans of events, if they are few.
func ofPlans(events []event.Event) string {
	const few = 3
	names := make(map[string]bool)
	for i := range events {
		if events[i].Plan != "" {
			names[events[i].Plan] = true
		}
	}
	switch n := len(names); {
	case n == 0:
		return ""
	case n > few:
		return fmt.Sprintf(" about %d plans", n)
	}
	return " about " + strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}
