-- KEYS record, queue; ARGV time, owner, last time at which it may be done or nothing. Returns epoch,
-- who had it, gap, freed bodies. What comes late, from a node that stood still or out of a broken
-- connection, would take the alias from where its device is by now.
local record, queue = KEYS[1], KEYS[2]
local at, freed = now(ARGV[1]), {}
if ARGV[3] ~= '' and at > tonumber(ARGV[3]) then
  return 'late'
end
at = clock(at, record)
purge(record, queue, at, freed)
local previous = redis.call('HGET', record, 'o') or ''
local gap = redis.call('HGET', record, 'g') or '0'
local epoch = redis.call('HINCRBY', record, 'e', 1)
redis.call('HSET', record, 'o', ARGV[2], 'c', '1', 'g', '0', 'w', digits(at))
redis.call('PERSIST', record)
return { epoch, previous, gap, freed }
