package web

// repositoryRoutes are those of snapshots, restores, repositories, restore
// tests and reports.
func (s *site) repositoryRoutes() []route { return nil }
