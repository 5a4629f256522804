package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"holdfast/internal/api"
)

// restoreTestsData is what the list of restore tests shows.
type restoreTestsData struct {
	Plan, Source, Repository, Verdict string
	Since, Until                      string
	Plans                             []api.Plan
	Repositories                      []api.Repository
	Tests                             []api.RestoreTest
	Times                             *chart
	Unread                            []api.Unread
	Damage                            []api.Damage
	// Evidence is what all records of each repository come to.
	Evidence []api.EvidenceVerdict
	// verdicts are of all that match but for the verdict.
	verdicts

	More bool
	// Trouble is why none could be read.
	Trouble string
}

// verdicts are how many restore tests there are of each verdict.
type verdicts struct{ Proven, Failed, NotJudged int }

func verdictsOf(tests []api.RestoreTest) (v verdicts) {
	for _, t := range tests {
		switch t.Verdict {
		case "proven":
			v.Proven++
		case "failed":
			v.Failed++
		default:
			v.NotJudged++
		}
	}
	return v
}

// testsOfPage is how many restore tests are listed.
const testsOfPage = 200

func (s *site) restoreTests(r *http.Request) (*page, error) {
	get := r.URL.Query().Get
	d := restoreTestsData{
		Plan: get("plan"), Source: get("source"), Repository: get("repository"), Verdict: get("verdict"),
		Since: get("since"), Until: get("until"),
	}
	q := api.RestoreTestQuery{Plan: d.Plan, Source: d.Source, Repository: d.Repository, Limit: testsOfPage + 1}
	var err error
	if q.Since, err = s.readDay(d.Since, 0); err != nil {
		return nil, err
	}
	if q.Until, err = s.readDay(d.Until, 1); err != nil {
		return nil, err
	}
	if d.Plans, err = s.Backend.Plans(r.Context()); err != nil {
		return nil, err
	}
	if d.Repositories, err = s.Backend.Repositories(r.Context()); err != nil {
		return nil, err
	}
	found, err := s.Backend.RestoreTests(r.Context(), q)
	switch {
	case errors.Is(err, api.ErrUnavailable):
		d.Trouble = err.Error()
	case err != nil:
		return nil, err
	default:
		d.Unread, d.Damage, d.Evidence = found.Unread, found.Damage, found.Evidence
		d.take(s.zoned(found.Tests))
	}
	return &page{Title: "Restore tests", Area: "/tests", Template: "tests.html", Data: d}, nil
}

func (d *restoreTestsData) take(tests []api.RestoreTest) {
	if len(tests) > testsOfPage {
		d.More, tests = true, tests[:testsOfPage]
	}
	d.verdicts = verdictsOf(tests)
	for _, t := range tests {
		if d.Verdict == "" || d.Verdict == t.Verdict {
			d.Tests = append(d.Tests, t)
		}
	}
	// Sources take different times: a line through several of them would mean
	// nothing.
	if oneSource(d.Tests) {
		d.Times = restoreTimes(d.Tests)
	}
}

func oneSource(tests []api.RestoreTest) bool {
	for _, t := range tests {
		if t.Plan != tests[0].Plan || t.Source != tests[0].Source {
			return false
		}
	}
	return true
}

// zoned gives tests the zone of what is shown.
func (s *site) zoned(tests []api.RestoreTest) []api.RestoreTest {
	shown := make([]api.RestoreTest, len(tests))
	for k, t := range tests {
		t.Time = t.Time.In(s.Zone)
		shown[k] = t
	}
	return shown
}

// restoreTestData is what the page of one restore test shows.
type restoreTestData struct {
	api.RestoreTest

	Gauge *gauge
	// Text is the record as it was signed, laid out for people.
	Text string
}

func (s *site) restoreTest(r *http.Request) (*page, error) {
	test, err := s.Backend.RestoreTest(r.Context(), r.PathValue("repository"), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	d := restoreTestData{RestoreTest: *test, Gauge: gaugeOf("RTO", test.RTO), Text: indented(test.Record)}
	return &page{Title: "Restore test of " + test.Source, Area: "/tests", Template: "test.html", Data: d}, nil
}

func indented(record json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, record, "", "  ") != nil {
		return string(record)
	}
	return b.String()
}

// restoreTestRecord sends the record as it was signed, byte for byte, for
// those who verify it themselves.
func (s *site) restoreTestRecord(w http.ResponseWriter, r *http.Request) {
	test, err := s.Backend.RestoreTest(r.Context(), r.PathValue("repository"), r.PathValue("id"))
	if err == nil && len(test.Record) == 0 {
		err = fmt.Errorf("%w: the record of this restore test cannot be read", api.ErrNotFound)
	}
	if err != nil {
		s.render(w, r, s.errorPage(r, err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", api.Attachment("restore-test-"+shortID(test.ID)+".json"))
	send(w, r, http.StatusOK, test.Record)
}

// testNow has the restore test of a plan run now.
func (s *site) testNow(r *http.Request) (*done, error) {
	plan, err := s.Backend.Plan(r.Context(), r.PostFormValue("plan"))
	if err != nil {
		return nil, err
	}
	for _, job := range plan.Jobs {
		if job.Kind != "restore-test" {
			continue
		}
		if err := s.Backend.StartJob(r.Context(), job.Job, ""); err != nil {
			return nil, err
		}
		to := "/runs?" + url.Values{"plan": {plan.Name}, "job": {"restore-test"}}.Encode()
		return &done{To: to, Said: "A restore test of " + plan.Name + " begins: it is restored to a place apart, looked into, and removed again."}, nil
	}
	return nil, &api.HereError{
		Why:     "The plan " + plan.Name + " has no restore test. Add restore_test to it in holdfast.yaml, or have one run once.",
		Command: []string{"holdfast", "verify", "--plan", plan.Name},
	}
}
