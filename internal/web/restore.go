package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"holdfast/internal/api"
)

// restoreData is the restore wizard: what, when, where, and what it would do.
// All of it stands in the URL, so that each step can be shared and gone back
// to; what a link says already is not asked again.
type restoreData struct {
	Request api.RestoreRequest
	// Newest asks for the newest that can be restored, which for a database is
	// where its log ends.
	Newest bool
	Plans  []api.Plan
	Source *api.Source
	// Points are snapshots to choose from, and Line when they were made.
	Points   []api.Snapshot
	Line     *timeline
	More     string // the URL of all snapshots, if there are more
	Dirs     []string
	Plan     *api.RestorePlan
	Fits     bool
	Snapshot *api.Snapshot
	Command  string
	// From is the repository whose snapshots are shown, Others are those of the
	// plan that can be read instead. Logs are what the ones that may be read
	// have of the log.
	From   string
	Others []string
	Logs   []api.SourceLog
	// Trouble is why it could not be found out what would be done.
	Trouble string
	// Nearest are instants that can be restored to instead.
	Nearest []nearInstant
	// TroubleCommand does it on the command line.
	TroubleCommand string
	Zone           string
}

// nearInstant is an instant that can be restored to, and where that is chosen.
type nearInstant struct {
	Time time.Time
	URL  string
}

// pointsOfPage is how many recovery points the wizard offers.
const pointsOfPage = 60

// The steps of the wizard.
func (d *restoreData) HasWhat() bool { return d.Request.Snapshot != "" || d.Request.Source != "" }

func (d *restoreData) HasWhen() bool {
	return d.Request.Snapshot != "" || !d.Request.Time.IsZero() || d.Newest && d.HasWhat()
}

func (s *site) restore(r *http.Request) (*page, error) {
	q, err := s.readRestore(r.URL.Query())
	if err != nil {
		return nil, err
	}
	d := &restoreData{Request: q, Newest: r.URL.Query().Get("newest") != "", Zone: s.now().Format("MST, -07:00")}
	if d.Plans, err = s.Backend.Plans(r.Context()); err != nil {
		return nil, err
	}
	d.chooseSource()
	switch {
	case d.HasWhen():
		err = s.planRestore(r, d)
	case d.HasWhat():
		err = s.recoveryPoints(r, d)
	}
	if err != nil {
		return nil, err
	}
	return &page{Title: "Restore", Area: "/snapshots", Template: "restore.html", Data: d}, nil
}

// readRestore reads what was decided so far.
func (s *site) readRestore(v url.Values) (q api.RestoreRequest, err error) {
	q = api.RestoreRequest{
		Plan: v.Get("plan"), Source: v.Get("source"), Repository: v.Get("repository"), Snapshot: v.Get("snapshot"),
		Paths: v["path"], Target: strings.TrimSpace(v.Get("target")), Overwrite: v.Get("overwrite"), Confirm: v.Get("confirm"),
	}
	if text := v.Get("time"); text != "" && q.Snapshot == "" {
		if q.Time, err = s.readInstant(text); err != nil {
			return q, err
		}
	}
	return q, nil
}

// chooseSource takes the only source of a plan without asking, and finds what
// is known of it.
func (d *restoreData) chooseSource() {
	for _, p := range d.Plans {
		if p.Name != d.Request.Plan {
			continue
		}
		if d.Request.Source == "" && d.Request.Snapshot == "" && len(p.Sources) == 1 {
			d.Request.Source = p.Sources[0].Name
		}
		for _, src := range p.Sources {
			if src.Name == d.Request.Source {
				d.Source = &src
				d.Logs = logsOf(&src, d.Request.Repository)
			}
		}
	}
}

// choosePlace finds where the recovery points are read that are offered, and
// where they may be read instead.
func (d *restoreData) choosePlace() {
	d.From = d.Request.Repository
	if d.From == "" {
		d.From = usualRepository(d.Request.Plan, d.Plans, nil)
	}
	for _, p := range d.Plans {
		if p.Name != d.Request.Plan {
			continue
		}
		for _, place := range p.Places {
			if place.Repository != d.From {
				d.Others = append(d.Others, place.Repository)
			}
		}
	}
}

// logsOf are what a repository has of a log, or each of them for "".
func logsOf(source *api.Source, repository string) (logs []api.SourceLog) {
	for _, log := range source.Logs {
		if repository == "" || log.Repository == repository {
			logs = append(logs, log)
		}
	}
	return logs
}

// LogTo is how far the log leads in the repositories that may be read.
func (d *restoreData) LogTo() (to time.Time) {
	if d.Request.Repository == "" && d.Source != nil {
		return d.Source.LogTo
	}
	for _, log := range d.Logs {
		if log.To.After(to) {
			to = log.To
		}
	}
	return to
}

// ranges are the times of which every instant can be restored to from those
// repositories; nil if that is not known.
func (d *restoreData) ranges() []api.Range {
	switch {
	case d.Source == nil:
		return nil
	case d.Request.Repository == "":
		return d.Source.LogRanges
	case len(d.Logs) == 1:
		return d.Logs[0].Ranges
	}
	return nil
}

// Gapped tells whether there are instants between others that cannot be chosen.
func (d *restoreData) Gapped() bool { return len(d.ranges()) > 1 }

// recoveryPoints are what there is to choose from.
func (s *site) recoveryPoints(r *http.Request, d *restoreData) error {
	d.choosePlace()
	q := api.SnapshotQuery{Repository: d.From, Plan: d.Request.Plan, Source: d.Request.Source, Limit: pointsOfPage}
	found, err := s.Backend.Snapshots(r.Context(), q)
	if err != nil {
		return err
	}
	d.Points = found.Snapshots
	times := snapshotTimes(found.Snapshots, s.Zone)
	d.Line = timelineOf(times, s.covered(d, times), time.Time{})
	if found.Total > len(found.Snapshots) {
		v := url.Values{"repository": {q.Repository}, "plan": {q.Plan}, "source": {q.Source}}
		d.More = "/snapshots?" + v.Encode()
	}
	return nil
}

// covered are the times that the log of a source covers; where it is not known
// from when on, from the oldest of the snapshots on.
func (s *site) covered(d *restoreData, snapshots []time.Time) (all []span) {
	for _, r := range d.ranges() {
		all = append(all, span{r.From.In(s.Zone), r.To.In(s.Zone)})
	}
	if n, to := len(snapshots), d.LogTo(); len(all) == 0 && n > 0 && to.After(snapshots[n-1]) {
		all = append(all, span{snapshots[n-1], to.In(s.Zone)})
	}
	return all
}

// nearest are the instants next to one that nothing leads to; none if something
// does, or that is not known. A log that goes on may lead there meanwhile.
func nearest(ranges []api.Range, at time.Time) (all []time.Time) {
	for k, r := range ranges {
		switch {
		case !at.After(r.To) && !at.Before(r.From):
			return nil
		case at.Before(r.From) && k == 0:
			return []time.Time{r.From}
		case at.Before(r.From):
			return []time.Time{ranges[k-1].To, r.From}
		}
	}
	return nil
}

// offer says that nothing leads to the instant that was asked for, and what is
// next to it.
func (d *restoreData) offer(instants []time.Time) {
	from := ""
	if d.Request.Repository != "" {
		from = " from " + d.Request.Repository
	}
	d.Trouble = "The log has a gap at that instant. These are the nearest that can be restored to" + from + ":"
	if len(instants) == 1 {
		d.Trouble = "That instant is before the first that can be restored to" + from + ":"
	}
	for _, at := range instants {
		d.Nearest = append(d.Nearest, nearInstant{at, d.Without("time") + "&time=" + url.QueryEscape(at.Format(time.RFC3339Nano))})
	}
}

// planRestore finds out what would be done. A plan that cannot be made is told
// of in its place, for what was chosen can be changed right there.
func (s *site) planRestore(r *http.Request, d *restoreData) error {
	service, err := s.Backend.Service(r.Context())
	if err != nil {
		return err
	}
	d.Dirs = service.RestoreDirs
	if q := d.Request; !q.Time.IsZero() {
		if instants := nearest(d.ranges(), q.Time); len(instants) > 0 {
			d.offer(instants)
			return nil
		}
	}
	plan, err := s.Backend.PlanRestore(r.Context(), d.Request)
	var elsewhere *api.HereError
	switch {
	case errors.As(err, &elsewhere):
		d.Trouble, d.TroubleCommand = elsewhere.Why, shellLine(elsewhere.Command)
		return nil
	case errors.Is(err, api.ErrInvalid), errors.Is(err, api.ErrConflict), errors.Is(err, api.ErrUnavailable):
		d.Trouble = reason(err)
		return nil
	case err != nil:
		return err
	}
	d.Plan, d.Snapshot, d.Command = plan, plan.Snapshot, shellLine(plan.Command)
	d.Fits = plan.FreeBytes == 0 || plan.Bytes <= plan.FreeBytes
	return nil
}

// reason is what an error says without the word for its kind, where the page
// says that already.
func reason(err error) string {
	text := err.Error()
	for _, kind := range []error{api.ErrInvalid, api.ErrConflict, api.ErrUnavailable, api.ErrNotFound} {
		text = strings.TrimPrefix(text, kind.Error()+": ")
	}
	return text
}

// beginRestore does what was shown.
func (s *site) beginRestore(r *http.Request) (*done, error) {
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	q, err := s.readRestore(r.PostForm)
	if err != nil {
		return nil, err
	}
	if q.Confirm == "" {
		return nil, fmt.Errorf("%w: look at what the restore would do first", api.ErrInvalid)
	}
	run, err := s.Backend.Restore(r.Context(), q)
	if err != nil {
		return nil, err
	}
	said := "The restore has begun."
	if q.Target != "" {
		said = "The restore has begun. It writes to " + q.Target
	}
	return &done{To: runURL(run), Said: said}, nil
}

// Fields are what was decided, as hidden fields of a form, but for those that
// the form asks for itself.
func (d *restoreData) Fields(but ...string) []field {
	q := d.Request
	all := []field{
		{"plan", q.Plan},
		{"source", q.Source},
		{"repository", q.Repository},
		{"snapshot", q.Snapshot},
		{"target", q.Target},
		{"overwrite", q.Overwrite},
	}
	if d.Newest {
		all = append(all, field{"newest", "1"})
	}
	if !q.Time.IsZero() {
		// With its zone: another day the same clock may mean another instant.
		all = append(all, field{"time", q.Time.Format(time.RFC3339Nano)})
	}
	for _, path := range q.Paths {
		all = append(all, field{"path", path})
	}
	return without(all, but)
}

// Without is the wizard's URL without some of what was decided.
func (d *restoreData) Without(but ...string) string {
	v := make(url.Values)
	for _, f := range d.Fields(but...) {
		v.Add(f.Name, f.Value)
	}
	return "/restore?" + v.Encode()
}

// field is a value of a form.
type field struct{ Name, Value string }

// without are the fields that have a value and are not named.
func without(all []field, names []string) []field {
	var left []field
	for _, f := range all {
		named := false
		for _, name := range names {
			named = named || f.Name == name
		}
		if !named && f.Value != "" {
			left = append(left, f)
		}
	}
	return left
}

func runURL(id string) string { return "/runs/" + url.PathEscape(id) }
