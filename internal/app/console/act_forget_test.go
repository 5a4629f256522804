package console

import (
	"context"
	"errors"
	"slices"
	"testing"

	"holdfast/internal/api"
)

// forgetting is what a repository says of snapshots to forget.
type forgetting struct {
	Browsing

	plan api.ForgetPlan
}

func (f forgetting) PlanForget(context.Context, api.ForgetRequest) (*api.ForgetPlan, error) {
	plan := f.plan
	return &plan, nil
}

// What the command guards is refused before anybody confirms it.
func TestForgettingIsRefusedWhenItIsShown(t *testing.T) {
	var asked []string
	var fails error
	c := &Console{
		Browsing: forgetting{plan: api.ForgetPlan{Remove: []api.Snapshot{{ID: "aa"}, {ID: "bb"}}, Confirm: "yes"}},
		o: Options{Try: func(_ context.Context, args []string, _ func([]byte)) error {
			asked = args
			return fails
		}},
	}
	q := api.ForgetRequest{Repository: "local", Snapshots: []string{"aa", "bb"}, Confirm: "yes"}
	if plan, err := c.PlanForget(t.Context(), q); err != nil || plan.Refused != "" {
		t.Errorf("%+v, %v", plan, err)
	}
	if want := []string{"forget", "--repo", "local", "aa", "bb", "--dry-run", "--json"}; !slices.Equal(asked, want) {
		t.Errorf("asked with %q", asked)
	}
	fails = errors.New("snapshot aa is the newest that was proven")
	if plan, err := c.PlanForget(t.Context(), q); err != nil || plan.Refused != fails.Error() {
		t.Errorf("%+v, %v", plan, err)
	}
	var elsewhere *api.HereError
	if _, err := c.Forget(t.Context(), q); !errors.As(err, &elsewhere) || elsewhere.Why != fails.Error() {
		t.Errorf("begun with %v", err)
	}
}
