package retention

import (
	"errors"
	"fmt"
	"strings"
)

// The longest that a period of the calendar is, in days.
const (
	weekDays  = 7
	monthDays = 31
	yearDays  = 366
	dayHours  = 24
)

// Reach returns the age in days at which the policy lets every snapshot go, as
// long as there is one in each of its periods: what a rule that knows nothing
// but the age of things may go by. The error says why there is no such age: a
// rule keeps some for ever, or by their number alone.
func (p Policy) Reach() (days int, err error) {
	var endless []string
	periods := map[string]int{"daily": 1, "weekly": weekDays, "monthly": monthDays, "yearly": yearDays}
	for _, rule := range p.counts() {
		n, counted := periods[rule.period]
		switch {
		case rule.count == 0:
		case rule.count == Unlimited:
			endless = append(endless, rule.period+": unlimited")
		case rule.period == "hourly":
			days = max(days, wholeDays(int(rule.count)))
		case counted:
			days = max(days, n*int(rule.count))
		default: // the newest n, whenever they were made
			endless = append(endless, rule.period)
		}
	}
	for _, rule := range p.withins() {
		days = max(days, rule.within.LongestDays())
	}
	if len(p.Tags) > 0 {
		endless = append(endless, "tags")
	}
	switch days = max(days, p.Within.LongestDays()); {
	case len(endless) > 0:
		return 0, fmt.Errorf("%s of keep has no end in time", strings.Join(endless, ", "))
	case days == 0:
		return 0, errors.New("keep has no rule, so that snapshots stay for ever")
	}
	return days, nil
}

// LongestDays returns how many days the duration has at most, wherever in the
// calendar it ends.
func (d Duration) LongestDays() int {
	return d.Years*yearDays + d.Months*monthDays + d.Days + wholeDays(d.Hours)
}

func wholeDays(hours int) int { return (hours + dayHours - 1) / dayHours }
