-- name: budgets_told
SELECT budget, part FROM budgets_told WHERE period = $period

-- name: budget_tell
INSERT INTO budgets_told VALUES ($budget, $period, $part, $now)
