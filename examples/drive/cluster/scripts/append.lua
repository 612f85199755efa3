-- KEYS record, queue, topics; ARGV time, time to live in milliseconds, most messages, whether
-- somebody must have claimed the alias, topic it must have or nothing, `b` or `r`, the body or where
-- it is. Returns message id, the one before, owner, messages that had to go, freed bodies; or why not.
local record, queue = KEYS[1], KEYS[2]
if ARGV[4] == '1' and redis.call('HEXISTS', record, 'c') == 0 then
  return 'unknown'
end
local topic = ARGV[5]
if topic ~= '' and redis.call('SISMEMBER', KEYS[3], topic) == 0 then
  return 'stranger'
end
local at, freed = clock(ARGV[1], record), {}
purge(record, queue, at, freed)
local last = tonumber(redis.call('HGET', record, 'l') or '0')
local mid = math.max(math.max(at - EPOCH, 0) * 4096, last + 1)
if mid % 4096 >= 2048 then
  mid = mid - mid % 4096 + 4096 -- the upper half is for messages that are not kept
end
local expires = at + tonumber(ARGV[2])
redis.call('XADD', queue, place(mid), 'e', digits(expires), ARGV[6], ARGV[7], 't', topic)
local soonest = redis.call('HGET', record, 's')
if not soonest or expires < tonumber(soonest) then
  redis.call('HSET', record, 's', digits(expires))
end
redis.call('HSET', record, 'l', digits(mid), 'w', digits(at))
redis.call('PERSIST', record)
if ARGV[6] == 'r' then
  redis.call('HINCRBY', record, 'x', 1)
end
local over = redis.call('HINCRBY', record, 'n', 1) - tonumber(ARGV[3])
if over > 0 then
  take(record, queue, redis.call('XRANGE', queue, '-', '+', 'COUNT', over), freed)
  redis.call('HINCRBY', record, 'g', over)
end
-- What nobody fetches goes by itself.
if ARGV[1] == '' then
  local left = redis.call('PEXPIRETIME', queue)
  if left < expires + 60000 then
    redis.call('PEXPIREAT', queue, digits(expires + 60000))
  end
end
local owner = redis.call('HGET', record, 'o') or ''
return { digits(mid), digits(last), owner, math.max(over, 0), freed }
