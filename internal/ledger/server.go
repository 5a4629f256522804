package ledger

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/config"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/features"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
)

const (
	member = "holdfast"

	// quotaBytes bounds the file of the values: a thousand plans take a few
	// megabytes, and what is over the bound is an error and not a full disk.
	quotaBytes = 128 << 20
	// segmentBytes is the size of a file of the engine's log. Two are kept
	// ready, so this is what an empty ledger takes.
	segmentBytes = 4 << 20
	keptSegments = 2
	// maxValue bounds one value.
	maxValue = 1 << 20

	// After snapshotEvery writes the engine forgets all of its log but
	// keptEntries: both bound memory and the time a start takes.
	snapshotEvery = 1000
	keptEntries   = 100

	// history is how long superseded values are kept: as long as a watch
	// may lag behind.
	history = 10 * time.Minute

	// The engine counts time in ticks. The only voter waits for nobody: with
	// the least there may be it leads after one tick or two.
	tickMs        = 100
	electionTicks = 2

	// startLimit bounds the start of the engine.
	startLimit = 2 * time.Minute
)

// setSegmentSize sets a variable of the engine, once.
var setSegmentSize = sync.OnceFunc(func() { wal.SegmentSizeBytes = segmentBytes })

// startServer starts the engine without a listener of any kind and waits
// until it answers.
func startServer(ctx context.Context, dir string, log *zap.Logger, broken *breakage) (*etcdserver.EtcdServer, error) {
	setSegmentSize()
	server, err := newServer(ctx, serverConfig(dir, log), broken)
	if err != nil {
		return nil, err
	}
	server.Start()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case <-server.ReadyNotify():
		return server, nil
	case <-broken.happened:
		err = broken.err()
	case <-server.StopNotify():
		err = errors.New("the engine stopped by itself")
	case <-limit.C:
		err = fmt.Errorf("the engine is not ready after %v: the disk does not keep up", startLimit)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	server.HardStop()
	return nil, err
}

// newServer makes the engine in a goroutine of its own: what it cannot go on
// with ends the goroutine (engineLog), or panics.
func newServer(ctx context.Context, cfg config.ServerConfig, broken *breakage) (*etcdserver.EtcdServer, error) {
	var server *etcdserver.EtcdServer
	var err error
	made := make(chan struct{})
	go func() {
		defer close(made)
		defer func() {
			if r := recover(); r != nil {
				broken.report(fmt.Errorf("%w (%v)", ErrDamaged, r))
			}
		}()
		server, err = etcdserver.NewServer(cfg)
	}()
	select {
	case <-made:
	case <-broken.happened: // in a goroutine that the engine waits for
	case <-ctx.Done():
		broken.report(context.Cause(ctx))
	}
	if why := broken.err(); why != nil {
		return nil, why
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	return server, nil
}

func serverConfig(dir string, log *zap.Logger) config.ServerConfig {
	// The name of the only member, which nobody ever dials.
	self := types.URLs{url.URL{Scheme: "unix", Host: member}}
	return config.ServerConfig{
		Name:                member,
		ClientURLs:          self,
		PeerURLs:            self,
		InitialPeerURLsMap:  types.URLsMap{member: self},
		InitialClusterToken: member,
		NewCluster:          true,
		DataDir:             dir,
		Logger:              log,
		ServerFeatureGate:   features.NewDefaultServerFeatureGate(member, log),
		V2Deprecation:       config.V2DeprDefault,
		StrictReconfigCheck: true,
		PreVote:             true,

		TickMs:                     tickMs,
		ElectionTicks:              electionTicks,
		InitialElectionTickAdvance: true,

		SnapshotCount:                     snapshotEvery,
		SnapshotCatchUpEntries:            keptEntries,
		MaxSnapFiles:                      keptSegments,
		MaxWALFiles:                       keptSegments,
		QuotaBackendBytes:                 quotaBytes,
		BootstrapDefragThresholdMegabytes: wasteBytes >> 20,
		AutoCompactionMode:                "periodic",
		AutoCompactionRetention:           history,
		MaxTxnOps:                         maxOps,
		MaxRequestBytes:                   maxValue + 64<<10,
		WarningApplyDuration:              time.Second,
		WarningUnaryRequestDuration:       3 * time.Second,
		WatchProgressNotifyInterval:       10 * time.Minute,
		DowngradeCheckTime:                time.Hour,
		Metrics:                           "basic",
	}
}
