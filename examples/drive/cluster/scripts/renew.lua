-- KEYS nodes; ARGV time, node, what it tells, length of its lease in milliseconds. Returns time,
-- whether the node was known, and of each node: its number, when its lease ends, what it tells.
local at = now(ARGV[1])
local was_known = redis.call('HEXISTS', KEYS[1], ARGV[2])
local ends = digits(at + tonumber(ARGV[4]))
redis.call('HSET', KEYS[1], ARGV[2], ends .. ' ' .. ARGV[3])
local nodes = {}
local all = redis.call('HGETALL', KEYS[1])
for nth = 1, #all, 2 do
  local ended, told = string.match(all[nth + 1], '^(%d+) (.*)$')
  nodes[#nodes + 1] = { all[nth], ended, told }
end
return { digits(at), was_known, nodes }
