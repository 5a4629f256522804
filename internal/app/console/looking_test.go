package console

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/api"
)

// Who looks again and again what would be done does not fill the machine with
// processes, and is told so.
func TestFewLookAtOnceWhatWouldBeDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		var mu sync.Mutex
		under, most := 0, 0
		c := &Console{
			Browsing: forgetting{plan: api.ForgetPlan{Remove: []api.Snapshot{{ID: "aa"}}}},
			o: Options{Try: func(ctx context.Context, _ []string, _ func([]byte)) error {
				mu.Lock()
				under++
				most = max(most, under)
				mu.Unlock()
				select {
				case <-end:
				case <-ctx.Done():
				}
				mu.Lock()
				under--
				mu.Unlock()
				return nil
			}},
		}
		const all = 20
		told := make([]error, all)
		var asking sync.WaitGroup
		for k := range all {
			asking.Go(func() {
				if k%2 == 0 {
					told[k] = c.foretell(t.Context(), nil, &api.RestorePlan{})
				} else {
					_, told[k] = c.PlanForget(t.Context(), api.ForgetRequest{})
				}
			})
		}
		synctest.Wait()
		if most > 4 {
			t.Errorf("%d processes at once", most)
		}
		over := func() int {
			return len(slices.DeleteFunc(slices.Clone(told), func(err error) bool { return !errors.Is(err, api.ErrUnavailable) }))
		}
		time.Sleep(lookingWait + time.Second)
		synctest.Wait()
		if n := over(); n != all-most {
			t.Errorf("%d of %d are told to try again", n, all)
		}
		close(end)
		asking.Wait()
		if err := c.foretell(t.Context(), nil, &api.RestorePlan{}); err != nil {
			t.Error(err)
		}
	})
}
