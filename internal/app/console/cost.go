package console

import (
	"sync"

	"holdfast/internal/api"
	"holdfast/internal/app"
	"holdfast/internal/cost"
)

// prices are those that came with the program; they are read when first asked
// for.
var prices = sync.OnceValue(cost.BuiltIn)

// packBytes is about how large an object of a repository is: a pack.
const packBytes = 16 << 20

// costOf estimates what a repository in a bucket costs, nil for other places
// and services of unknown prices: as if all of it lay in the class that objects
// are put into unless something else is said. `holdfast stats --cost` lists the
// objects and knows.
func costOf(url string, bytes uint64) *api.Cost {
	bucket, err := app.BucketOf(url)
	if err != nil || bytes == 0 {
		return nil
	}
	service, ok := prices().Find(string(bucket.Kind), bucket.Host)
	if !ok {
		return nil
	}
	all := []cost.Holding{{Bytes: int64(bytes), Objects: int(bytes/packBytes) + 1}} //nolint:gosec // no repository has as many
	_, month := service.Month(all)
	return &api.Cost{Currency: prices().Currency, PerMonth: month, Restore: service.Restore(all)}
}
