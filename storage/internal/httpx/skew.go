package httpx

import "time"

// Skew is how far the clock of a service is ahead of ours: negative if it is
// behind. It said what its time is, in whole seconds, at an instant between
// begun and ended; what may be the way of the answer does not count.
func Skew(service, begun, ended time.Time) time.Duration {
	switch last := service.Add(time.Second); {
	case last.Before(begun):
		return last.Sub(begun)
	case service.After(ended):
		return service.Sub(ended)
	default:
		return 0
	}
}
