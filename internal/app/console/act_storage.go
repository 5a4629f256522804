package console

import (
	"context"

	"holdfast/internal/api"
	"holdfast/internal/controller"
	"holdfast/internal/history"
)

// storagePlanMessage is what `storage plan` tells.
type storagePlanMessage struct {
	Steps []struct {
		Setting string `json:"setting"`
		Now     string `json:"now"`
		Then    string `json:"then"`
		Change  bool   `json:"change"`
	} `json:"steps"`
	Change bool `json:"change"`
}

// StorageSettings implements api.Looker.
func (c *Console) StorageSettings(ctx context.Context, repository string) (*api.StorageSettings, error) {
	if err := c.mustHave(repository); err != nil {
		return nil, err
	}
	found := &api.StorageSettings{Settings: []api.StorageSetting{}}
	err := c.read(ctx, of("storage_plan", func(m storagePlanMessage) {
		found.Change = m.Change
		for _, s := range m.Steps {
			found.Settings = append(found.Settings, api.StorageSetting{Setting: s.Setting, Now: s.Now, Wanted: s.Then, Change: s.Change})
		}
	}), "storage", "plan", repository)
	return found, unavailable(err)
}

// settingUp sets a bucket up as the configuration says.
func (c *Console) settingUp(q *api.StorageAct) (*errand, error) {
	if err := c.mustHave(q.Repository); err != nil {
		return nil, err
	}
	return &errand{
		asked: asked{kind: history.Storage, repository: q.Repository, mode: controller.Reads, args: []string{"storage", "apply", q.Repository}},
		foretell: func(ctx context.Context, p *api.ActPlan) error {
			return c.wouldDo(ctx, p, of("storage_plan", func(m storagePlanMessage) {
				for _, s := range m.Steps {
					if s.Change {
						p.Effects = append(p.Effects, api.Effect{What: s.Setting, Before: s.Now, After: s.Then})
					}
				}
			}), "storage", "plan", q.Repository)
		},
	}, nil
}

// checkingStorage finds out what a bucket would do.
func (c *Console) checkingStorage(q *api.StorageCheckAct) (*errand, error) {
	if err := c.mustHave(q.Repository); err != nil {
		return nil, err
	}
	args := []string{"storage", "check", q.Repository}
	if !q.Probe {
		args = append(args, "--no-probe")
	}
	return &errand{asked: asked{kind: history.StorageCheck, repository: q.Repository, mode: controller.Reads, args: args}}, nil
}
