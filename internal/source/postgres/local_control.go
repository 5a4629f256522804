package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"holdfast/internal/postgres"
)

// controlReads bounds how often pg_control is read until it is found whole.
const controlReads = 50

// readControl reads pg_control while the server may be writing it.
func readControl(ctx context.Context, data string) ([]byte, error) {
	file := filepath.Join(data, filepath.FromSlash(postgres.ControlFile))
	for n := 1; ; n++ {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the state of the cluster: %w", err)
		}
		err = postgres.CheckControl(content)
		if err == nil {
			return content, nil
		}
		if n == controlReads {
			return nil, fmt.Errorf("read the state of the cluster, %d times: %w", n, err)
		}
		select {
		case <-time.After(rereadPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
