package config

import "holdfast/internal/secret"

// Channel is a place to send notifications to.
type Channel struct {
	// URL is a secret: it holds a token in most services.
	URL secret.Ref `yaml:"url,flow"`
	// MinSeverity leaves out what is less severe.
	MinSeverity string `yaml:"min_severity,omitempty" default:"warning" enum:"info,warning,error,critical"`
	// Quiet has the times in which only what is critical is sent; the rest
	// waits for their end.
	Quiet Windows `yaml:"quiet,omitempty,flow" single:"yes"`
	// Timezone is the zone of Quiet; the service's zone if empty.
	Timezone string `yaml:"timezone,omitempty" format:"timezone"`
	// Repeat sends what still holds again after this long; 0 sends it once.
	Repeat Duration `yaml:"repeat,omitempty"`
	// Escalate tells others when something is not over after a while.
	Escalate []Escalation `yaml:"escalate,omitempty"`
}

// Escalation names who is told of what is not over after a while.
type Escalation struct {
	// After is how long to wait.
	After Duration `yaml:"after"`
	// To names channels.
	To []string `yaml:"to,flow"`
}

// Ping is a URL that is called when a run starts (/start is added), succeeds,
// and fails (/fail is added).
type Ping struct {
	// URL is a secret: who knows it can report success.
	URL secret.Ref `yaml:"url,flow"`
}

func (n Channel) check(k *checker) {
	checkSecret(k.key("url"), n.URL)
	for i, e := range n.Escalate {
		item := k.key("escalate").item(i)
		item.key("after").require(e.After > 0, "such as after: 1h")
		item.key("to").require(len(e.To) > 0, "name channels, such as to: [boss]")
	}
}

func (p Ping) check(k *checker) { checkSecret(k.key("url"), p.URL) }
