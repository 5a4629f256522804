package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/config"
	"holdfast/internal/controller"
)

// asking is a controller that takes down what is asked of it.
type asking struct {
	Controller

	asked []controller.Request
}

func (a *asking) Ask(_ context.Context, q controller.Request) (string, error) {
	a.asked = append(a.asked, q)
	return "run", nil
}

// looked is a repository that is looked into.
type looked struct {
	Browsing

	tags *api.ActPlan
	held []api.Hold
}

func (l looked) PlanTag(context.Context, *api.TagAct) (*api.ActPlan, []string, error) {
	plan := *l.tags
	return &plan, []string{"aa", "bb"}, nil
}

func (l looked) Snapshot(_ context.Context, _, id string) (*api.Snapshot, error) {
	if id != "cc" {
		return nil, fmt.Errorf("%w: no snapshot %s", api.ErrNotFound, id)
	}
	return &api.Snapshot{ID: "cccc", Plan: "shop", Source: "www", Time: time.Unix(1e9, 0)}, nil
}

func (l looked) Holds(context.Context, string) ([]api.Hold, error) { return l.held, nil }

// work is what a job of these tests has.
type work struct {
	args  []string
	input string
}

const goodKey = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

// actingConsole is one that knows a plan and two repositories; lines are what
// the command prints that looks.
func actingConsole(b Browsing, lines ...string) (*Console, *asking, *[]string) {
	cfg := &config.Config{
		Repositories: map[string]config.Repository{"local": {}, "off site": {}},
		Sources:      map[string]config.Source{"www": {}},
		Plans:        map[string]config.Plan{"shop": {Repository: "local", Sources: []string{"www"}}},
		Service:      config.Service{ArchivePlaces: []string{"/mnt/archives", "s3:https://s3.example.com/cold"}},
	}
	var tried []string
	ask := &asking{}
	c := &Console{Browsing: b, confirmKey: []byte("key"), o: Options{
		ConfigPath: "/etc/holdfast.yaml", Config: func() *config.Config { return cfg }, Controller: ask,
		Work: func(args []string, input []byte) any { return work{args, string(input)} },
		Try: func(_ context.Context, args []string, line func([]byte)) error {
			tried = args
			for _, text := range lines {
				if message, failed := strings.CutPrefix(text, "!"); failed {
					return errors.New(message)
				}
				for part := range slices.Chunk([]byte(text+"\n"), 7) { // as it comes through a pipe
					line(part)
				}
			}
			return nil
		},
	}}
	return c, ask, &tried
}

// What is confirmed is done, as it was shown, and nothing else is.
func TestActsAreDoneAsTheyWereShown(t *testing.T) {
	tags := looked{tags: &api.ActPlan{Effects: []api.Effect{{What: "snapshot aa", Before: "no tags", After: "monthly"}}}}
	for name, one := range map[string]struct {
		browsing Browsing
		lines    []string
		make     func(confirm string) api.ActRequest
		looks    string
		does     string
	}{
		"tag": {
			tags, nil,
			func(confirm string) api.ActRequest {
				return &api.TagAct{Planned: api.Planned{Confirm: confirm}, Repository: "local", Snapshots: []string{"a", "b"}, Add: []string{"monthly"}, Remove: []string{"--old"}}
			},
			"", "tag --repo local --retry-lock 5m --add monthly --remove --old aa bb",
		},
		"unlock": {
			looked{},
			[]string{`{"message_type":"lock","id":"abcdef0123","host":"db1","pid":7,"stale":true}`, `{"message_type":"lock","id":"99","stale":false}`},
			func(confirm string) api.ActRequest {
				return &api.UnlockAct{Planned: api.Planned{Confirm: confirm}, Repository: "off site"}
			},
			"unlock --repo off site --dry-run --json", "unlock --repo off site",
		},
		"prune": {
			looked{},
			[]string{`{"message_type":"prune_plan","unused":{"count":3,"bytes":4096},"packs_remove":1,"remove":{"count":3,"bytes":4096},"freed_bytes":4096}`},
			func(confirm string) api.ActRequest {
				return &api.PruneAct{Planned: api.Planned{Confirm: confirm}, Repository: "local", MaxUnused: "0"}
			},
			"prune --repo local --retry-lock 5m --max-unused 0 --dry-run --json", "prune --repo local --retry-lock 5m --max-unused 0",
		},
		"archive": {
			looked{},
			[]string{`{"message_type":"archive_plan","place":"/mnt/archives","name":"x-full","type":"full","recipients":["` + goodKey + `"],"content_bytes":9}`},
			func(confirm string) api.ActRequest {
				return &api.ArchiveAct{Planned: api.Planned{Confirm: confirm}, Repository: "local", Snapshot: "cc", Place: "/mnt/archives", Recipients: []string{goodKey}, Since: "latest"}
			},
			"archive export cccc --repo local --to /mnt/archives --recipient " + goodKey + " --since latest --dry-run --json",
			"archive export cccc --repo local --to /mnt/archives --recipient " + goodKey + " --since latest",
		},
		"storage": {
			looked{},
			[]string{`{"message_type":"storage_plan","change":true,"steps":[{"setting":"versions","now":"off","then":"on","change":true},{"setting":"x","now":"y","then":"y"}]}`},
			func(confirm string) api.ActRequest {
				return &api.StorageAct{Planned: api.Planned{Confirm: confirm}, Repository: "local"}
			},
			"storage plan local --json", "storage apply local",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, ask, tried := actingConsole(one.browsing, one.lines...)
			plan, err := c.PlanAct(t.Context(), one.make(""))
			if err != nil || plan.Refused != "" || len(plan.Effects) == 0 || plan.Confirm == "" {
				t.Fatalf("%+v, %v", plan, err)
			}
			if got := strings.Join(*tried, " "); got != one.looks {
				t.Errorf("looked with %q", got)
			}
			for _, wrong := range []string{"", "nonsense"} {
				if _, err := c.BeginAct(t.Context(), one.make(wrong)); !errors.Is(err, api.ErrConflict) || len(ask.asked) > 0 {
					t.Errorf("confirmed with %q: %v, asked %v", wrong, err, ask.asked)
				}
			}
			if _, err := c.BeginAct(t.Context(), one.make(plan.Confirm)); err != nil || len(ask.asked) != 1 {
				t.Fatalf("begun with %v, %v", err, ask.asked)
			}
			if got := strings.Join(ask.asked[0].Job.Work.(work).args, " "); got != one.does {
				t.Errorf("does %q", got)
			}
		})
	}
}

// What is not as it was shown is not done, nor what is nothing, nor what the
// command itself refuses.
func TestActsThatAreNotDone(t *testing.T) {
	stale := `{"message_type":"lock","id":"%s","host":"db1","pid":7,"stale":true}`
	c, ask, _ := actingConsole(looked{}, fmt.Sprintf(stale, "aaaaaaaaaa"))
	plan, err := c.PlanAct(t.Context(), &api.UnlockAct{Repository: "local"})
	if err != nil {
		t.Fatal(err)
	}
	other, _, _ := actingConsole(looked{}, fmt.Sprintf(stale, "bbbbbbbbbb"))
	if _, err := other.BeginAct(t.Context(), &api.UnlockAct{Planned: api.Planned{Confirm: plan.Confirm}, Repository: "local"}); !errors.Is(err, api.ErrConflict) {
		t.Errorf("another lock: %v", err)
	}
	if _, err := c.BeginAct(t.Context(), &api.UnlockAct{Planned: api.Planned{Confirm: plan.Confirm}, Repository: "off site"}); !errors.Is(err, api.ErrConflict) {
		t.Errorf("another repository: %v", err)
	}
	none, _, _ := actingConsole(looked{}, `{"message_type":"lock","id":"99","stale":false}`)
	if plan, err := none.PlanAct(t.Context(), &api.UnlockAct{Repository: "local"}); err != nil || plan.Confirm != "" || len(plan.Warnings) != 1 {
		t.Errorf("nothing to unlock: %+v, %v", plan, err)
	}
	failing, _, _ := actingConsole(looked{}, "!the repository is on fire")
	plan, err = failing.PlanAct(t.Context(), &api.PruneAct{Repository: "local"})
	if err != nil || plan.Refused != "the repository is on fire" || plan.Confirm != "" {
		t.Errorf("refused: %+v, %v", plan, err)
	}
	var here *api.HereError
	if _, err := failing.BeginAct(t.Context(), &api.PruneAct{Repository: "local"}); !errors.As(err, &here) || len(here.Command) == 0 {
		t.Errorf("begun what is refused: %v", err)
	}
	held, _, _ := actingConsole(looked{held: []api.Hold{{ID: "h1", Reason: "case 4711"}}}, `{"message_type":"prune_plan","packs_remove":1}`)
	if plan, err := held.PlanAct(t.Context(), &api.PruneAct{Repository: "local"}); err != nil || !strings.Contains(plan.Refused, "case 4711") {
		t.Errorf("pruned while something is held: %+v, %v", plan, err)
	}
	if len(ask.asked) > 0 {
		t.Errorf("asked %v", ask.asked)
	}
}

// What makes no sense, or reaches for what it must not, is refused before
// anything is begun.
func TestActsThatMakeNoSense(t *testing.T) {
	archive := func(change func(q *api.ArchiveAct)) api.ActRequest {
		q := &api.ArchiveAct{Repository: "local", Snapshot: "cc", Place: "/mnt/archives", Recipients: []string{goodKey}}
		change(q)
		return q
	}
	for name, q := range map[string]api.ActRequest{
		"no repository":         &api.UnlockAct{Repository: "elsewhere"},
		"a path for one":        &api.CheckAct{Repository: "/etc"},
		"half of a check":       &api.CheckAct{Repository: "local", Read: "3/2"},
		"a check with a flag":   &api.CheckAct{Repository: "local", Read: "--no-lock"},
		"prune of nonsense":     &api.PruneAct{Repository: "local", MaxUnused: "-1"},
		"no plan":               &api.VerifyAct{Plan: "nobody"},
		"no source":             &api.VerifyAct{Plan: "shop", Source: "mail"},
		"another's repository":  &api.VerifyAct{Plan: "shop", Repository: "off site"},
		"a long point":          &api.VerifyAct{Plan: "shop", Point: strings.Repeat("x", 65)},
		"a point with a line":   &api.VerifyAct{Plan: "shop", Point: "newest\nx"},
		"no page":               &api.KitCheckAct{Repository: "local", Page: " \n"},
		"a page that is a book": &api.KitCheckAct{Repository: "local", Page: strings.Repeat("x", maxPage+1)},
		"a place of their own":  archive(func(q *api.ArchiveAct) { q.Place = "/tmp" }),
		"a place below one":     archive(func(q *api.ArchiveAct) { q.Place = "/mnt/archives/more" }),
		"a place above one":     archive(func(q *api.ArchiveAct) { q.Place = "/mnt/archives/../.." }),
		"a place written so":    archive(func(q *api.ArchiveAct) { q.Place = "/mnt/archives/" }),
		"for nobody":            archive(func(q *api.ArchiveAct) { q.Recipients = nil }),
		"for a file":            archive(func(q *api.ArchiveAct) { q.Recipients = []string{"/etc/passwd"} }),
		"for a secret key":      archive(func(q *api.ArchiveAct) { q.Recipients = []string{"AGE-SECRET-KEY-1ABC"} }),
		"for two lines":         archive(func(q *api.ArchiveAct) { q.Recipients = []string{goodKey + "\n" + goodKey} }),
		"for too many":          archive(func(q *api.ArchiveAct) { q.Recipients = slices.Repeat([]string{goodKey}, 21) }),
		"since a file":          archive(func(q *api.ArchiveAct) { q.Since = "../../etc/holdfast.yaml" }),
		"since a flag":          archive(func(q *api.ArchiveAct) { q.Since = "--to" }),
		"a plan and more":       archive(func(q *api.ArchiveAct) { q.Plan = "shop" }),
		"archives of no plan":   &api.ArchiveAct{Plan: "nobody"},
		"no snapshot":           archive(func(q *api.ArchiveAct) { q.Snapshot = "--passphrase-file" }),
		"archives elsewhere":    &api.ArchiveCheckAct{Place: "/tmp"},
		"an archive elsewhere":  &api.ArchiveCheckAct{Place: "/mnt/archives", Name: "../x"},
		"an archive and a flag": &api.ArchiveCheckAct{Place: "/mnt/archives", Name: "--identity"},
	} {
		c, ask, tried := actingConsole(looked{})
		_, err := c.BeginAct(t.Context(), q)
		if !errors.Is(err, api.ErrInvalid) && !errors.Is(err, api.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(fmt.Sprint(err), "AGE-SECRET-KEY-1ABC") {
			t.Errorf("%s: the message has the secret", name)
		}
		if len(ask.asked) > 0 || len(*tried) > 0 {
			t.Errorf("%s: asked %v, tried %q", name, ask.asked, *tried)
		}
	}
}

// The page of a kit goes by standard input, not by the list of processes.
func TestKitIsNotAnArgument(t *testing.T) {
	c, ask, _ := actingConsole(looked{})
	if _, err := c.BeginAct(t.Context(), &api.KitCheckAct{Repository: "local", Page: "Password: secret"}); err != nil {
		t.Fatal(err)
	}
	w := ask.asked[0].Job.Work.(work)
	if w.input != "Password: secret" || !slices.Equal(w.args, []string{"kit", "check", "-", "--repo", "local"}) {
		t.Errorf("%+v", w)
	}
}

// A message may be longer than what comes through a pipe at once, and what is
// no message is an error.
func TestLooking(t *testing.T) {
	c, _, _ := actingConsole(looked{}, `{"message_type":"lock","id":"aa","time":"2026-11-23T02:00:00Z"}`, "", `{"message_type":"other"}`, `{"message_type":"lock","error":"cannot be read"}`)
	locks, err := c.Locks(t.Context(), "local")
	if err != nil || len(locks) != 2 || locks[0].Refreshed.IsZero() || locks[1].Error != "cannot be read" {
		t.Errorf("%+v, %v", locks, err)
	}
	broken, _, _ := actingConsole(looked{}, "no JSON")
	if _, err := broken.Locks(t.Context(), "local"); err == nil {
		t.Error("nonsense is taken for a message")
	}
	failing, _, _ := actingConsole(looked{}, "!wrong password")
	if _, err := failing.Locks(t.Context(), "local"); !errors.Is(err, api.ErrUnavailable) || !strings.Contains(err.Error(), "wrong password") {
		t.Errorf("a command that fails: %v", err)
	}
	if _, err := c.Archives(t.Context(), "/etc"); !errors.Is(err, api.ErrInvalid) {
		t.Errorf("archives where none may be: %v", err)
	}
	bad, _, _ := actingConsole(looked{}, `{"message_type":"archive","name":"x","parts":[{},{}],"snapshot":{"id":"aa"}}`, "!y is not complete\nz is not either")
	found, err := bad.Archives(t.Context(), "s3:https://s3.example.com/cold")
	if err != nil || len(found.Archives) != 1 || found.Archives[0].Parts != 2 || len(found.Problems) != 2 {
		t.Errorf("%+v, %v", found, err)
	}
}
