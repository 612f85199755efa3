-- KEYS record, queue; ARGV time, message ids. Returns freed bodies.
local record, queue = KEYS[1], KEYS[2]
local freed = {}
if redis.call('EXISTS', record) == 0 then
  return freed
end
purge(record, queue, clock(ARGV[1], record), freed)
local is_shared = redis.call('HEXISTS', record, 'x') == 1
for at = 2, #ARGV do
  local id = place(tonumber(ARGV[at]))
  if is_shared then
    take(record, queue, redis.call('XRANGE', queue, id, id), freed)
  elseif redis.call('XDEL', queue, id) == 1 then
    if redis.call('HINCRBY', record, 'n', -1) <= 0 then
      redis.call('HDEL', record, 's', 'n', 'x')
      redis.call('DEL', queue)
    end
  end
end
return freed
