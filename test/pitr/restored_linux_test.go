package pitr

import (
	"strings"
	"testing"

	"holdfast/test/pgcluster"
)

// The service tells people of a server whose log it does not archive, as it was
// restored.
func TestServiceMeetsRestoredServer(t *testing.T) {
	t.Parallel()
	bin := pgcluster.Versions(t)[17]
	c := pgcluster.New(t, bin)
	c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
	s := newShop(t, bin, c.DSN(), "stream")
	stop := s.background("wal", "receive", "--plan", "shop")
	s.run("plan", "run", "shop")
	(&oracle{t: t, c: c}).write(3)
	s.waitArchived(c)
	stop()
	c.Stop()
	restored := s.restore()
	s.write("holdfast.yaml", strings.Replace(read(t, s.config), c.DSN(), restored.DSN(), 1))
	h, mail := s.serve()
	h.Serve()
	h.Until("somebody is told", func() bool {
		return mail.has("the log of plan shop is not archived", "this server was restored")
	})
}
