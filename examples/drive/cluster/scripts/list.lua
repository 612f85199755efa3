-- KEYS epochs, aliases over TCP, aliases over Socket.IO; ARGV alias, epoch, `tcp` or `sio` or
-- nothing. What an earlier epoch says comes too late.
local alias, epoch = ARGV[1], tonumber(ARGV[2])
local known = redis.call('HGET', KEYS[1], alias)
if known and tonumber(known) > epoch then
  return 0
end
local kept = { tcp = KEYS[2], sio = KEYS[3] }
for transport, key in pairs(kept) do
  if transport == ARGV[3] then
    redis.call('ZADD', key, 0, alias)
  else
    redis.call('ZREM', key, alias)
  end
end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], alias)
else
  redis.call('HSET', KEYS[1], alias, ARGV[2])
end
return 1
