package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"holdfast/internal/app"
	"holdfast/internal/config"
	"holdfast/internal/cost"
	"holdfast/internal/size"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
)

// costMessage is what keeping one copy costs.
type costMessage struct {
	MessageType string      `json:"message_type"` // "cost"
	Repository  string      `json:"repository"`
	Service     string      `json:"service"`
	Region      string      `json:"region"`
	PricesOf    string      `json:"prices_of"` // a date
	Currency    string      `json:"currency"`
	Lines       []cost.Line `json:"lines"`
	Month       float64     `json:"month"`
	RestoreAll  float64     `json:"restore_all"`
	Moves       []cost.Move `json:"moves"`
}

// runCost tells what the copies of a repository cost: the one that is meant
// and, with holdfast.yaml, those that share a plan with it.
func (c *command) runCost(ctx context.Context, pricesFile string) error {
	table, err := readPrices(pricesFile)
	if err != nil {
		return err
	}
	main, err := c.place()
	if err != nil {
		return err
	}
	others, err := c.fallbacks(main)
	if err != nil {
		return err
	}
	var failed []error
	for _, p := range append([]place{main}, others...) {
		if err := c.costOf(ctx, p, table); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", p.url, err))
		}
	}
	return errors.Join(failed...)
}

func readPrices(file string) (*cost.Table, error) {
	if file == "" {
		return cost.BuiltIn(), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read prices: %w", err)
	}
	t, err := cost.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

// costOf tells what one copy costs.
func (c *command) costOf(ctx context.Context, p place, table *cost.Table) error {
	b, err := app.BucketOf(p.url)
	if err != nil {
		c.ui.infof("%s is no bucket of an object store: nobody sends a bill for each gigabyte", p.url)
		return nil
	}
	service, ok := table.Find(string(b.Kind), b.Host)
	if !ok {
		c.ui.infof("%s: there are no prices of %s; write them to a table and name it with --prices", p.url, b.Host)
		return nil
	}
	r, err := c.openPlace(ctx, p)
	if err != nil {
		return err
	}
	err = c.locked(ctx, r, repository.Shared, func(ctx context.Context, r *repository.Repository) error {
		if err := r.LoadIndex(ctx); err != nil {
			return err
		}
		holdings, err := holdingsOf(ctx, r)
		if err != nil {
			return err
		}
		c.showCost(p.configured, r, table, service, holdings)
		return nil
	})
	return errors.Join(err, r.Close())
}

// holdingsOf sums up the objects of a repository by class, and by whether
// rules may move them: in one listing.
func holdingsOf(ctx context.Context, r *repository.Repository) ([]cost.Holding, error) {
	folders := make(id.Set) // packs that stay where they are
	err := r.Index().Frozen().ByPack(ctx, nil, func(pack id.ID, blobs []blob.Blob) error {
		for _, b := range blobs {
			if b.Type == blob.Tree {
				folders.Add(pack)
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	sums := make(map[cost.Holding]*cost.Holding)
	count := func(i storage.Info, t storage.Tier) error {
		kind := cost.Holding{Class: t.Class}
		const idDigits = 2 * len(id.ID{})
		if p, err := id.Parse(i.Key[max(0, len(i.Key)-idDigits):]); err == nil && i.Key == repository.PackFile.Key(p) {
			kind.Movable = !folders.Has(p)
		}
		if sums[kind] == nil {
			sums[kind] = &cost.Holding{Class: kind.Class, Movable: kind.Movable}
		}
		sums[kind].Objects++
		sums[kind].Bytes += i.SizeBytes
		return nil
	}
	if tiering, ok := storage.As[storage.Tiering](r.Store()); ok {
		err = tiering.ListTiers(ctx, "", count)
	} else {
		err = r.Store().List(ctx, "", func(i storage.Info) error { return count(i, storage.Tier{}) })
	}
	var list []cost.Holding
	for _, h := range sums {
		list = append(list, *h)
	}
	return list, err
}

func (c *command) showCost(configured *config.Repository, r *repository.Repository, table *cost.Table, s *cost.Service, holdings []cost.Holding) {
	m := costMessage{
		MessageType: "cost", Repository: r.Location(), Service: s.Name, Region: s.Region, PricesOf: table.Date, Currency: table.Currency,
		RestoreAll: s.Restore(holdings), Moves: s.Moves(holdings),
	}
	m.Lines, m.Month = s.Month(holdings)
	c.ui.message(m)
	if c.ui.json {
		return
	}
	c.ui.printf("%s\nat %s (%s), by list prices of %s, without versions, requests, taxes and discounts:\n\n", m.Repository, m.Service, m.Region, m.PricesOf)
	var rows [][]string
	for _, l := range m.Lines {
		class, what := l.Class, "index, snapshots, folders"
		if class == "" {
			class = s.DefaultClass
		}
		if l.Movable {
			what = "file content"
		}
		if l.Unknown {
			what += " (no price of this class; taken as " + s.DefaultClass + ")"
		}
		rows = append(rows, []string{class, what, fmt.Sprint(l.Objects), size.FormatBytes(uint64(l.Bytes)), price(l.Month, m.Currency)}) //nolint:gosec // sizes are not negative
	}
	c.ui.table([]string{"Class", "Holds", "Objects", "Size", "A month"}, rows)
	c.ui.printf("\na month:                %s\nto restore all of it:   %s\n", price(m.Month, m.Currency), price(m.RestoreAll, m.Currency))
	c.showMoves(configured, m)
	c.ui.printf("\n")
}

// showMoves tells what a colder class would save.
func (c *command) showMoves(configured *config.Repository, m costMessage) {
	if len(m.Moves) == 0 {
		return
	}
	c.ui.printf("\nwith all file content in another class:\n\n")
	var rows [][]string
	for _, move := range m.Moves {
		wait, least := "at once", ""
		if move.ThawHours > 0 {
			wait = fmt.Sprintf("after about %d h", move.ThawHours)
		}
		if move.MinimumDays > 0 {
			least = fmt.Sprintf("%d days", move.MinimumDays)
		}
		rows = append(rows, []string{move.Class, price(move.Saves, m.Currency), price(move.Once, m.Currency), price(move.Restore, m.Currency), wait, least})
	}
	c.ui.table([]string{"Class", "Saves a month", "Moving costs", "Restoring all costs", "Readable", "Paid for at least"}, rows)
	if configured != nil && configured.Tiers == nil {
		c.ui.printf("\nto move what is older than 30 days: tiers: { cold: { after: 30d, class: %s } } in holdfast.yaml, then `holdfast storage apply`\n", m.Moves[0].Class)
	}
}

// price writes an amount of money.
func price(amount float64, currency string) string { return fmt.Sprintf("%.2f %s", amount, currency) }
