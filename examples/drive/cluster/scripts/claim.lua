-- KEYS record, queue; ARGV time, owner. Returns epoch, who had it, gap, freed bodies.
local record, queue = KEYS[1], KEYS[2]
local at, freed = clock(ARGV[1], record), {}
purge(record, queue, at, freed)
local previous = redis.call('HGET', record, 'o') or ''
local gap = redis.call('HGET', record, 'g') or '0'
local epoch = redis.call('HINCRBY', record, 'e', 1)
redis.call('HSET', record, 'o', ARGV[2], 'c', '1', 'g', '0', 'w', digits(at))
redis.call('PERSIST', record)
return { epoch, previous, gap, freed }
