package upkeep

import (
	"fmt"
	"testing"

	"holdfast/repository"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// benchmarkStore holds 50,000 small files in 500 folders.
func benchmarkStore(b *testing.B) storage.Store {
	s := mem.New()
	initRepository(b, s)
	content := make(files)
	for n := range 50_000 {
		content[fmt.Sprintf("folder%d/file%d", n%500, n)] = fmt.Append(nil, "content of file ", n)
	}
	backUp(b, s, 0, content)
	return s
}

// BenchmarkPlanPrune plans to prune a repository of 50,000 small files.
func BenchmarkPlanPrune(b *testing.B) {
	s := benchmarkStore(b)
	for b.Loop() {
		err := with(b.Context(), s, func(r *repository.Repository) error {
			_, err := PlanPrune(b.Context(), r, PruneOptions{})
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/50_500, "µs/blob")
}
