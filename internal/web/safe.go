package web

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"holdfast/internal/api"
	"holdfast/internal/event"
)

const (
	// plansPerPage is how many plans one page shows, problemsShown how many
	// problems stand above them.
	plansPerPage  = 40
	problemsShown = 8
	// searchFrom is from how many plans on they can be searched.
	searchFrom = 8
)

// safeData is what the first page shows.
type safeData struct {
	Answer  sign // Word is the answer in a sentence
	Service *api.Service
	// To is the repository where more goes that is protected from here; "" for
	// who may not protect.
	To       string
	Problems []problem
	More     int // problems that are not shown
	// Filters choose plans by their verdict, Query by a part of their name.
	Filters    []planFilter
	Show       string
	Query      string
	Searchable bool
	Plans      []planRow
	Found      int
	Pages      pages
}

// planFilter is a choice of plans.
type planFilter struct {
	Show, Name string
	Count      int
}

// planRow is a plan in the list.
type planRow struct {
	api.Plan

	// Backup and Test are its backup and its restore test, nil for none; Next is
	// its next backup, or else the job that is due first.
	Backup, Test, Next *api.Job
	// Failed are the jobs that did not end well when they last ran.
	Failed []failedJob
}

// failedJob is a job that did not end well, and why.
type failedJob struct {
	api.Job

	Reason string
}

// problem is an open problem and the page that tells more.
type problem struct {
	event.Event

	To, ToName string
}

// safe is the first page: is everything as promised? An admin of a service
// without plans is asked at once what to protect.
func (s *site) safe(r *http.Request) (*page, error) {
	plans, err := s.Backend.Plans(r.Context())
	if err != nil {
		return nil, err
	}
	if me, _ := api.PrincipalOf(r.Context()); len(plans) == 0 && me.Role >= api.RoleAdmin {
		return s.protectPage(r)
	}
	open, err := s.Backend.Problems(r.Context())
	if err != nil {
		return nil, err
	}
	service, err := s.Backend.Service(r.Context())
	if err != nil {
		return nil, err
	}
	d := &safeData{Answer: answer(plans), Service: service, Show: r.URL.Query().Get("show"), Query: strings.TrimSpace(r.URL.Query().Get("q")), Searchable: len(plans) > searchFrom}
	d.Problems = problemsOf(open)
	if more := len(d.Problems) - problemsShown; more > 0 {
		d.Problems, d.More = d.Problems[:problemsShown], more
	}
	d.Filters = filtersOf(plans)
	if err := s.chooseWhereTo(r, d); err != nil {
		return nil, err
	}
	found := d.chosen(plans)
	d.Found = len(found)
	d.Pages = pagesOf(r, d.Found, plansPerPage)
	for _, p := range found[d.Pages.from:d.Pages.to] {
		row := planRowOf(p)
		for k := range row.Failed {
			// Where the run cannot be read, the link leads to why.
			if run, err := s.Backend.Run(r.Context(), row.Failed[k].LastRun); err == nil {
				row.Failed[k].Reason = run.Reason
			}
		}
		d.Plans = append(d.Plans, row)
	}
	return &page{Title: "Am I safe?", Area: "/", Template: "safe.html", Data: d, Refresh: 60}, nil
}

// chooseWhereTo has an admin protect more from here, to where the page that asks
// for all of it would.
func (s *site) chooseWhereTo(r *http.Request, d *safeData) error {
	if me, _ := api.PrincipalOf(r.Context()); me.Role < api.RoleAdmin {
		return nil
	}
	repositories, err := s.Backend.Repositories(r.Context())
	if err == nil && len(repositories) > 0 {
		d.To = repositories[0].Name
	}
	return err
}

// chosen are the plans that the filter and the search let through, the worst
// first.
func (d *safeData) chosen(plans []api.Plan) []api.Plan {
	var found []api.Plan
	for k := range plans {
		p := &plans[k]
		if (d.Show == "" || d.Show == string(p.Verdict)) && (d.Query == "" || mentions(p, strings.ToLower(d.Query))) {
			found = append(found, *p)
		}
	}
	slices.SortStableFunc(found, func(a, b api.Plan) int {
		return cmp.Or(cmp.Compare(rank(a.Verdict), rank(b.Verdict)), cmp.Compare(a.Name, b.Name))
	})
	return found
}

// mentions tells whether a plan is meant by a word in small letters.
func mentions(p *api.Plan, word string) bool {
	if strings.Contains(strings.ToLower(p.Name), word) {
		return true
	}
	return slices.ContainsFunc(p.Sources, func(s api.Source) bool {
		return strings.Contains(strings.ToLower(s.Name), word) || strings.Contains(strings.ToLower(s.What), word)
	})
}

func rank(v api.Verdict) int {
	return slices.Index([]api.Verdict{api.Unsafe, api.AtRisk, api.Unknown, api.Safe}, v)
}

func filtersOf(plans []api.Plan) []planFilter {
	count := make(map[api.Verdict]int)
	for k := range plans {
		count[plans[k].Verdict]++
	}
	filters := []planFilter{{"", "All", len(plans)}}
	for _, v := range []api.Verdict{api.Unsafe, api.AtRisk, api.Unknown, api.Safe} {
		if count[v] > 0 {
			filters = append(filters, planFilter{string(v), verdictSign(v).Word, count[v]})
		}
	}
	if len(filters) < 3 {
		return nil // there is nothing to choose
	}
	return filters
}

// answer says for all plans whether they are safe.
func answer(plans []api.Plan) sign {
	var worst []api.Plan
	count := make(map[api.Verdict]int)
	for k := range plans {
		count[plans[k].Verdict]++
		if plans[k].Verdict == api.Unsafe {
			worst = append(worst, plans[k])
		}
	}
	all := len(plans)
	switch {
	case all == 0:
		return sign{"unknown", "unknown", "Nothing is protected yet."}
	case len(worst) == 1:
		return sign{"bad", "bad", "No. " + broken(&worst[0])}
	case len(worst) == all:
		return sign{"bad", "bad", "No. None of " + plural(all, "plan", "plans") + " is safe."}
	case len(worst) > 1:
		return sign{"bad", "bad", "No. " + formatCount(len(worst)) + " of " + plural(all, "plan", "plans") + " are not safe."}
	case count[api.AtRisk] == 1:
		return sign{"near", "near", "Nearly. " + nameOf(plans, api.AtRisk) + " is at risk."}
	case count[api.AtRisk] > 0:
		return sign{"near", "near", "Nearly. " + formatCount(count[api.AtRisk]) + " of " + plural(all, "plan", "plans") + " are at risk."}
	case count[api.Unknown] == 1:
		return sign{"unknown", "unknown", "Not known yet. " + nameOf(plans, api.Unknown) + " was not looked at."}
	case count[api.Unknown] > 0:
		return sign{"unknown", "unknown", "Not known yet: " + formatCount(count[api.Unknown]) + " of " + plural(all, "plan", "plans") + " were not looked at."}
	case all == 1:
		return sign{"good", "good", "Yes. " + plans[0].Name + " is safe."}
	}
	return sign{"good", "good", "Yes. All " + plural(all, "plan", "plans") + " are safe."}
}

// nameOf is the first plan of a verdict.
func nameOf(plans []api.Plan, v api.Verdict) string {
	for k := range plans {
		if plans[k].Verdict == v {
			return plans[k].Name
		}
	}
	return ""
}

// broken says in a sentence what a plan that is not safe does not keep.
func broken(p *api.Plan) string {
	rpo, rto := p.RPO, p.RTO
	switch {
	case p.Newest.IsZero():
		return p.Name + " has nothing that can be restored."
	case standingSign(rpo.State).Class == "bad":
		return p.Name + " would lose " + formatSpan(seconds(rpo.Measured)) + ": its promise is " + formatSpan(seconds(rpo.Promised)) + "."
	case standingSign(rto.State).Class == "bad":
		return p.Name + " would take " + formatSpan(seconds(rto.Measured)) + " to restore: its promise is " + formatSpan(seconds(rto.Promised)) + "."
	}
	return p.Name + " is not safe."
}

// problemsOf finds for each problem the page that tells more: the run that
// failed, or what it is about. The worst come first.
func problemsOf(open []event.Event) []problem {
	all := make([]problem, len(open))
	for k, e := range open {
		all[k] = problem{Event: e}
		all[k].To, all[k].ToName = whereTold(e)
	}
	slices.SortStableFunc(all, func(a, b problem) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), b.Time.Compare(a.Time))
	})
	return all
}

func whereTold(e event.Event) (to, name string) {
	switch {
	case e.Run != "":
		return string(link("runs", e.Run)), "See why"
	case e.Plan != "":
		return string(link("plans", e.Plan)), "See the plan"
	case e.Repository != "":
		return string(link("repositories", e.Repository)), "See the repository"
	}
	return "/events", "See the events"
}

func planRowOf(p api.Plan) planRow {
	row := planRow{Plan: p}
	row.Jobs = slices.Clone(p.Jobs)
	slices.SortStableFunc(row.Jobs, func(a, b api.Job) int { return cmp.Compare(jobRank(a.Kind), jobRank(b.Kind)) })
	for k := range row.Jobs {
		j := &row.Jobs[k]
		switch {
		case j.Kind == "backup" && row.Backup == nil:
			row.Backup = j
		case j.Kind == "restore-test" && row.Test == nil:
			row.Test = j
		}
		if j.LastRun != "" && (j.LastOutcome == "failed" || j.LastOutcome == "interrupted" || j.LastOutcome == "partial") {
			row.Failed = append(row.Failed, failedJob{Job: *j})
		}
		if !j.Next.IsZero() && (row.Next == nil || j.Next.Before(row.Next.Next)) {
			row.Next = j
		}
	}
	if row.Backup != nil && !row.Backup.Next.IsZero() {
		row.Next = row.Backup
	}
	return row
}

// Sourced is a line for what the plan protects.
func (p planRow) Sourced() string {
	names := make([]string, len(p.Sources))
	for k, s := range p.Sources {
		names[k] = cmp.Or(s.What, s.Name)
	}
	return strings.Join(names, " · ")
}

// decisive are the rules that keep a plan from being safe, the gravest first.
var decisive = [...]string{"rpo", "rto", "errors", "log", "disk"}

// NextStep is what to do first about a plan that is not safe, "" where what
// failed says it.
func (p planRow) NextStep() string {
	for _, rule := range decisive {
		for _, m := range p.Missing {
			if m.Rule == rule {
				return m.Next
			}
		}
	}
	return ""
}

// jobRank puts jobs in the order in which people ask for them.
func jobRank(kind string) int {
	if n := slices.Index(jobKinds, kind); n >= 0 {
		return n
	}
	return len(jobKinds)
}
